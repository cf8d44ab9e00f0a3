//! A simulated device with its cloud beside it, and with a command as one of its containers.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use tokio::process::Command;

use crate::simulated::Scratch;
use crate::support::{AGENT, agent, assert_fails, pid, run, stderr, stdout};

#[tokio::test]
async fn a_cloud_beside_the_device_can_be_told_to_fail() {
    let scratch = Scratch::new("cloud");
    let environment = scratch.environment();
    let script = r#"
        set -e
        test "$BALENA_API_KEY" = "$RESIN_API_KEY"
        read_it() { curl -s -o "$TMPDIR/body" -w '%{http_code}' -H "Authorization: Bearer ${1:-$BALENA_API_KEY}" "$BALENA_API_URL/v7/device?\$select=device_name"; }
        test "$(read_it)" = 200
        grep -q simulated-device "$TMPDIR/body"
        test "$(read_it wrong)" = 401
        "$AGENT" simulate ctl cloud-fault too-many-requests 5s --times 1
        test "$(read_it)" = 429
        test "$(read_it)" = 200
        "$AGENT" simulate ctl cloud-fault status 503
        test "$(read_it)" = 503
        "$AGENT" simulate ctl cloud-clear-faults
        test "$(read_it)" = 200
        "$AGENT" simulate ctl offline
        ! read_it
        "$AGENT" simulate ctl online
        test "$(read_it)" = 200
        "$AGENT" simulate ctl state | grep -q /v7/device
        rm "$TMPDIR/body"
    "#;
    if Command::new("curl").arg("--version").output().await.is_err() {
        let mut past = std::io::stderr();
        writeln!(
            past,
            "SKIP: no curl here, so the cloud beside a simulated device is not asked from a shell"
        )
        .unwrap();
        return;
    }
    let output = run(&environment, &["simulate", "--cloud", "--", "sh", "-c", script]).await;
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    assert_eq!(scratch.entries(), Vec::<PathBuf>::new());
    let none = run(&environment, &["simulate", "--", AGENT, "simulate", "ctl", "cloud-clear-faults"]).await;
    assert_fails(&none, 2, &["no cloud", "--cloud"]);
}

#[tokio::test]
async fn a_command_can_be_the_container() {
    let scratch = Scratch::new("container");
    let log = scratch.0.join("log");
    let script = format!(
        "echo start >> {0}; trap 'echo term >> {0}; exit' TERM; while :; do sleep 0.05; done",
        log.display()
    );
    let file = scratch.0.join("device.env");
    let arguments =
        ["simulate", "--env-file", file.to_str().unwrap(), "--as-container", "--", "sh", "-c", &script];
    let mut child = agent(&scratch.environment(), &arguments).stderr(Stdio::null()).spawn().unwrap();
    let expect = async |lines: &[&str]| {
        for _ in 0..500 {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            if text.lines().eq(lines.iter().copied()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{:?} instead of {lines:?}", std::fs::read_to_string(&log));
    };
    expect(&["start"]).await;
    let script = format!(
        "set -ea; . {}; \"$AGENT\" simulate ctl time boot 20ms; \"$AGENT\" simulate ctl time power-off 20ms; \"$AGENT\" simulate ctl power-cycle",
        file.display()
    );
    let cycled = Command::new("sh").args(["-c", &script]).env("AGENT", AGENT).output().await.unwrap();
    assert!(cycled.status.success(), "{}", stderr(&cycled));
    expect(&["start", "start"]).await;
    kill(pid(&child), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
    expect(&["start", "start", "term"]).await;
    assert_eq!(scratch.entries(), std::slice::from_ref(&log));
    let none = run(&scratch.environment(), &["simulate", "--as-container"]).await;
    assert!(none.status.code() == Some(2) && stderr(&none).contains("COMMAND"), "{}", stderr(&none));
}
