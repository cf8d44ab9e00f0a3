//! `lock run`: the lock around a command, whatever becomes of either.

use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{agent, assert_fails, device, first_line, pid, run, stderr, stdout};

/// The state of a process, as `ps` shows it; `None` if it is gone.
fn process_state(pid: Pid) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..600 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}

#[tokio::test]
async fn lock_run_holds_the_lock_and_hands_the_code_on() {
    let (device, environment) = device().await;
    let lock = &environment["BALENA_APP_LOCK_PATH"];
    std::fs::create_dir_all(device.lock_directory(1, "main")).unwrap();

    let script = format!("test -e {lock} && exit 7");
    let output = run(&environment, &["lock", "run", "--", "/bin/sh", "-c", &script]).await;
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
    assert_eq!(device.locks(), [], "the lock is still there");

    let output = run(&environment, &["lock", "run", "--", "/no/such/command"]).await;
    assert_fails(&output, 127, &["/no/such/command"]);
    assert_eq!(device.locks(), [], "the lock is still there");

    std::fs::File::create_new(lock).unwrap();
    let output = run(&environment, &["--timeout", "300ms", "lock", "run", "--", "/bin/true"]).await;
    assert_fails(&output, 5, &["lock"]);
    let status = run(&environment, &["--json", "lock", "status"]).await;
    assert!(stdout(&status).contains("held"), "{}", stdout(&status));
}

#[tokio::test]
async fn lock_run_releases_when_it_is_told_to_stop() {
    let (device, environment) = device().await;
    std::fs::create_dir_all(device.lock_directory(1, "main")).unwrap();
    let mut child =
        agent(&environment, &["lock", "run", "--", "/bin/sh", "-c", "echo ready; exec /bin/sleep 60"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
    assert_eq!(first_line(&mut child).await, "ready");
    assert!(!device.locks().is_empty());
    kill(pid(&child), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(128 + 15));
    assert_eq!(device.locks(), []);
}

/// All that end a program that does not listen for them, and that can be listened for.
const SIGNALS: &str =
    "SIGHUP SIGINT SIGQUIT SIGUSR1 SIGUSR2 SIGALRM SIGVTALRM SIGPROF SIGXCPU SIGXFSZ SIGIO SIGPWR SIGSTKFLT";

#[tokio::test]
async fn a_signal_never_leaves_the_lock_behind() {
    let (device, environment) = device().await;
    std::fs::create_dir_all(device.lock_directory(1, "main")).unwrap();
    for signal in SIGNALS.split(' ').map(|name| name.parse::<Signal>().unwrap()) {
        let mut child =
            agent(&environment, &["lock", "run", "--", "/bin/sh", "-c", "echo ready; exec /bin/sleep 60"])
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
        assert_eq!(first_line(&mut child).await, "ready");
        kill(pid(&child), signal).unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(128 + signal as i32), "{signal}");
        assert_eq!(device.locks(), [], "{signal}");
    }
}

#[tokio::test]
async fn a_command_that_outlives_us_is_still_guarded() {
    let (device, environment) = device().await;
    std::fs::create_dir_all(device.lock_directory(1, "main")).unwrap();
    let script = "echo $$; exec /bin/sleep 60";
    let mut child = agent(&environment, &["lock", "run", "--", "/bin/sh", "-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let command = Pid::from_raw(first_line(&mut child).await.parse().unwrap());
    child.kill().await.unwrap();
    let take_over = &["--timeout", "0s", "lock", "run", "--", "/bin/true"];
    assert_fails(&run(&environment, take_over).await, 5, &["lock", "alive"]);
    kill(command, Signal::SIGKILL).unwrap();
    // It is nobody's child any more, so its end can only be looked for.
    for attempt in 0.. {
        let output = run(&environment, take_over).await;
        if output.status.success() {
            break;
        }
        assert!(attempt < 100, "{}", stderr(&output));
    }
    assert_eq!(device.locks(), []);
}

#[tokio::test]
async fn a_lost_lock_is_told_and_hides_no_failure() {
    let (device, environment) = device().await;
    let lock = &environment["BALENA_APP_LOCK_PATH"];
    std::fs::create_dir_all(device.lock_directory(1, "main")).unwrap();
    for (own, code) in [(0, 5), (3, 3)] {
        let script = format!("rm {lock}; exit {own}");
        let output = run(&environment, &["lock", "run", "--", "/bin/sh", "-c", &script]).await;
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(stderr(&output).contains("was taken away"), "{}", stderr(&output));
    }
}

#[tokio::test]
async fn lock_run_and_lock_status_agree_whatever_the_name() {
    let (device, mut environment) = device().await;
    let directory = device.lock_directory(1, "main");
    std::fs::create_dir_all(&directory).unwrap();
    for asked in ["updates.lock", "resin-updates.lock"] {
        environment.insert("BALENA_APP_LOCK_PATH".into(), directory.join(asked).display().to_string());
        for there in ["updates.lock", "resin-updates.lock"] {
            let lock = directory.join(there);
            let run_it = &["--timeout", "300ms", "lock", "run", "--", "/bin/true"];
            for code in [0, 5] {
                if code == 5 {
                    std::fs::File::create_new(&lock).unwrap();
                }
                let ran = run(&environment, run_it).await;
                assert_eq!(ran.status.code(), Some(code), "{asked} {there}: {}", stderr(&ran));
                let status = run(&environment, &["lock", "status", "--exit-code"]).await;
                assert_eq!(status.status.code(), Some(code), "{asked} {there}: {}", stdout(&status));
                assert_eq!(stdout(&status).contains("held by"), code == 5, "{}", stdout(&status));
                assert_eq!(stderr(&ran).contains(lock.to_str().unwrap()), code == 5, "{}", stderr(&ran));
                let status = run(&environment, &["lock", "status"]).await;
                assert_eq!(status.status.code(), Some(0), "only when asked: {}", stderr(&status));
            }
            // It waits for this one as for its own.
            let mut waits = agent(&environment, &["lock", "run", "--", "/bin/true"]).spawn().unwrap();
            tokio::time::sleep(Duration::from_millis(300)).await;
            assert!(waits.try_wait().unwrap().is_none(), "it does not wait");
            std::fs::remove_file(&lock).unwrap();
            assert_eq!(waits.wait().await.unwrap().code(), Some(0));
        }
    }
    environment.insert("BALENA_APP_LOCK_PATH".into(), "/nowhere/updates.lock".into());
    assert_fails(&run(&environment, &["lock", "status", "--exit-code"]).await, 78, &["/nowhere"]);
}

#[tokio::test]
async fn lock_run_takes_over_what_a_killed_process_of_its_service_left() {
    let (device, environment) = device().await;
    std::fs::create_dir_all(device.lock_directory(1, "main")).unwrap();
    let mut killed =
        agent(&environment, &["lock", "run", "--", "/bin/sh", "-c", "echo $$; exec /bin/sleep 60"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
    let command = Pid::from_raw(first_line(&mut killed).await.parse().unwrap());
    killed.kill().await.unwrap();
    kill(command, Signal::SIGKILL).unwrap();
    until("the command ends", || matches!(process_state(command), None | Some('Z'))).await;

    let status = run(&environment, &["--json", "lock", "status", "--exit-code"]).await;
    let status_json: Value = serde_json::from_str(&stdout(&status)).unwrap();
    assert_eq!((status.status.code(), &status_json["state"]), (Some(5), &Value::from("stale")));
    assert_eq!(status_json["file"]["owner_alive"], false);

    let refused = run(&environment, &["lock", "run", "--refuse-stale", "--", "/bin/true"]).await;
    assert_fails(&refused, 5, &["left behind", "--refuse-stale"]);
    let mut other = environment.clone();
    other.retain(|name, _| !name.ends_with("_SERVICE_NAME"));
    let other = run(&other, &["--timeout", "0s", "lock", "run", "--", "/bin/true"]).await;
    assert_fails(&other, 5, &["left behind", "another service"]);

    let taken = run(&environment, &["lock", "run", "--", "/bin/sh", "-c", "exit 7"]).await;
    assert_eq!(taken.status.code(), Some(7), "{}", stderr(&taken));
    assert!(stderr(&taken).contains("took over a stale update lock"), "{}", stderr(&taken));
    assert_eq!(device.locks(), []);
}

#[tokio::test]
async fn a_command_keeps_ignoring_what_its_starter_ignores() {
    let (device, environment) = device().await;
    std::fs::create_dir_all(device.lock_directory(1, "main")).unwrap();
    // As `nohup` and `&` do. One bit for each signal: SIGHUP is 1, SIGINT 2, SIGTERM 15.
    for (ignored, mask) in [("", 0), ("HUP", 1), ("HUP INT QUIT", 0b111), ("TERM", 1 << 14)] {
        let script = format!(
            "{} exec {} lock run -- /bin/grep SigIgn: /proc/self/status",
            if ignored.is_empty() { String::new() } else { format!("trap '' {ignored};") },
            crate::support::AGENT
        );
        let output = tokio::process::Command::new("/bin/sh")
            .args(["-c", &script])
            .env_clear()
            .envs(&environment)
            .output()
            .await
            .unwrap();
        let text = stdout(&output);
        let seen = u64::from_str_radix(text.trim_start_matches("SigIgn:").trim(), 16).unwrap();
        assert_eq!(seen & 0b100_0000_0000_0111, mask, "{ignored}: {text}");
    }
}

#[tokio::test]
async fn a_signal_reaches_a_command_that_is_stopped() {
    let (device, environment) = device().await;
    std::fs::create_dir_all(device.lock_directory(1, "main")).unwrap();
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        let script = "echo $$; kill -STOP $$; exec /bin/sleep 60";
        let mut child = agent(&environment, &["lock", "run", "--", "/bin/sh", "-c", script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let command = Pid::from_raw(first_line(&mut child).await.parse().unwrap());
        until("the command stops", || process_state(command) == Some('T')).await;
        assert!(!device.locks().is_empty(), "stopped, it is still guarded");
        kill(pid(&child), signal).unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(30), child.wait()).await;
        assert_eq!(ended.expect("ends").unwrap().code(), Some(128 + signal as i32));
        assert_eq!(device.locks(), []);
    }
}

#[tokio::test]
async fn a_command_that_ignores_signals_is_guarded_to_its_end() {
    let (device, environment) = device().await;
    std::fs::create_dir_all(device.lock_directory(1, "main")).unwrap();
    let script = "trap '' TERM; trap 'exit 9' INT; echo ready; while :; do /bin/sleep 0.05; done";
    let mut child = agent(&environment, &["lock", "run", "--", "/bin/sh", "-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(first_line(&mut child).await, "ready");
    for _ in 0..3 {
        kill(pid(&child), Signal::SIGTERM).unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(child.try_wait().unwrap().is_none() && !device.locks().is_empty());
    }
    kill(pid(&child), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(9));
    assert_eq!(device.locks(), []);
}

#[tokio::test]
async fn the_exit_code_that_is_told_is_the_one_it_ends_with() {
    let (device, environment) = device().await;
    let lock = &environment["BALENA_APP_LOCK_PATH"];
    std::fs::create_dir_all(device.lock_directory(1, "main")).unwrap();
    let lost = format!("rm {lock}; exit ");
    for (code, command) in [
        (127, vec!["/no/such/command"]),
        (127, vec![""]),
        (126, vec!["/etc"]),
        (126, vec!["/etc/passwd"]),
        (3, vec!["/bin/sh", "-c", &format!("{lost}3")]),
        (5, vec!["/bin/sh", "-c", &format!("{lost}0")]),
    ] {
        let arguments = [&["--json", "lock", "run", "--"], &command[..]].concat();
        let output = run(&environment, &arguments).await;
        assert_eq!(output.status.code(), Some(code), "{command:?}: {}", stderr(&output));
        let told: Value = serde_json::from_str(stderr(&output).lines().last().unwrap()).unwrap();
        assert_eq!(told["error"]["exit_code"], code, "{command:?}: {told}");
        assert_eq!(device.locks(), [], "{command:?}");
    }
    assert_eq!(run(&environment, &["lock", "run", "--"]).await.status.code(), Some(2));
}
