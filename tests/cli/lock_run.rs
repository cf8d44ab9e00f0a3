//! `lock run`: the lock around a command, whatever becomes of either.

use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{agent, assert_fails, device, first_line, pid, run, stderr, stdout};

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

#[tokio::test]
async fn a_signal_never_leaves_the_lock_behind() {
    let (device, environment) = device().await;
    std::fs::create_dir_all(device.lock_directory(1, "main")).unwrap();
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGUSR1] {
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
    let take_over = &["--timeout", "0s", "lock", "run", "--take-over-stale", "--", "/bin/true"];
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
