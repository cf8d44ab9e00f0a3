//! The service as a process: its log and its signals.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Fake, Process, command};

#[tokio::test]
async fn agent_log_says_how_much() {
    let fake = Fake::start().await;
    for (level, shown, hidden) in [
        (None, "INFO", "DEBUG"),
        (Some("info"), "INFO", "DEBUG"),
        (Some("INFO"), "INFO", "DEBUG"),
        (Some("debug"), "DEBUG", "TRACE"),
        (Some("warn"), "", "INFO"),
    ] {
        let process = Process::run(&fake, level.map(|level| ("AGENT_LOG", level)));
        process.ready().await;
        let (code, log) = process.end(Signal::SIGTERM).await;
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains(shown) && !log.contains(hidden), "AGENT_LOG={level:?}: {log}");
        let starts = log.lines().filter(|line| line.contains("service started")).count();
        assert_eq!(starts, usize::from(level != Some("warn")), "{log}");
    }
    for wrong in ["trace", "loud", "1", "warn,info"] {
        let mut command = command(&fake, &["run", "--strict", "--listen", "127.0.0.1:0"]);
        let child = command.env("AGENT_LOG", wrong).spawn().unwrap();
        let (code, log) = Process::of(child, "127.0.0.1:0".parse().unwrap()).wait().await;
        assert_eq!((code, log.lines().count()), (Some(78), 1), "{log}");
        assert!(log.contains("AGENT_LOG") && log.contains("warn, info or debug"), "{log}");
    }
}

#[tokio::test]
async fn a_signal_is_never_too_early() {
    let fake = Fake::start().await;
    // Many arguments, so that it takes a while to read them; how long tells a command that only reads them.
    let many = vec!["-v"; 30_000];
    let started = Instant::now();
    let wrong = command(&fake, &many).arg("--nonsense").output().await.unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    let reading = started.elapsed();
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let child = command(&fake, &["run"]).args(&many).spawn().unwrap();
        tokio::time::sleep(reading / 2).await;
        kill(Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()), signal).unwrap();
        let output = child.wait_with_output().await.unwrap();
        assert_eq!(output.status.code(), Some(0), "{signal} after {:?}", reading / 2);
    }
}

#[tokio::test]
async fn a_second_signal_ends_the_drain_at_once() {
    let fake = Fake::start().await;
    let mut took = Vec::new();
    for second in [None, Some(Signal::SIGTERM), Some(Signal::SIGINT)] {
        let process = Process::run(&fake, None);
        process.ready().await;
        // A follower that does not take its goodbye is waited for.
        let url = format!("ws://{}/events", process.address);
        let (_deaf, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        let started = Instant::now();
        kill(process.pid(), Signal::SIGTERM).unwrap();
        let ended = match second {
            None => process.wait().await,
            Some(second) => {
                tokio::time::sleep(Duration::from_millis(200)).await;
                process.end(second).await
            }
        };
        took.push(started.elapsed());
        assert_eq!(ended.0, Some(0), "{}", ended.1);
        assert_eq!(ended.1.contains("ending at once"), second.is_some(), "{}", ended.1);
    }
    assert!(took[0] > Duration::from_millis(1500), "nothing is drained: {took:?}");
    assert!(took[1] < Duration::from_millis(1200) && took[2] < Duration::from_millis(1200), "{took:?}");
}
