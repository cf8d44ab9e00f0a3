//! A full disk behind stdout, a reader that has gone, too few files: an error, and never a panic.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::process::Stdio;

use crate::support::{AGENT, agent, device, stderr};

#[tokio::test]
async fn what_can_not_be_written_is_a_failure_whatever_it_is() {
    let (device, environment) = device().await;
    device.write_journal("a line");
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["device", "--help"],
        &["help", "lock"],
        &["device", "state"],
        &["--json", "device", "state"],
        &["device", "services"],
        &["device", "logs", "-n", "1"],
        &["--json", "device", "ping"],
        &["doctor"],
        &["simulate"],
    ] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let child = agent(&environment, arguments).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().await.unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        assert!(text.contains("can't write to stdout"), "{arguments:?}: {text}");
    }
}

#[tokio::test]
async fn a_reader_that_has_gone_is_no_failure() {
    let (_device, environment) = device().await;
    for arguments in ["--help", "--version", "device state", "--json device state", "doctor"] {
        // The reader ends first; then the code of what writes is told on stderr.
        let script = format!("{{ sleep 0.2; {AGENT} {arguments}; echo $? >&2; }} | :");
        let mut command = tokio::process::Command::new("sh");
        let output =
            command.args(["-c", &script]).env_clear().envs(&environment).env("PATH", "/usr/bin:/bin");
        let output = output.output().await.unwrap();
        assert_eq!(stderr(&output).trim(), "0", "{arguments}");
    }
}

#[tokio::test]
async fn too_few_files_are_told_with_the_limit() {
    let environment = BTreeMap::from([
        ("BALENA_SUPERVISOR_ADDRESS", "http://127.0.0.1:9"),
        ("BALENA_SUPERVISOR_API_KEY", "0123456789abcdef"),
    ]);
    for limit in 4..=20 {
        for arguments in ["device ping", "doctor", "device set-host-config --hostname x", "lock run -- true"]
        {
            let script = format!("ulimit -n {limit}; exec {AGENT} {arguments}");
            let mut command = tokio::process::Command::new("sh");
            let output = command.args(["-c", &script]).env_clear().envs(&environment).output().await.unwrap();
            let text = stderr(&output);
            assert!(!text.contains("panicked"), "{limit} {arguments}: {text}");
            assert!(output.status.code().is_some_and(|code| code < 100), "{limit} {arguments}: {text}");
            if limit < 9 || text.contains("os error 24") {
                let named = format!("may open {limit} files");
                assert!(text.contains(&named), "{limit} {arguments}: {text}");
            }
        }
    }
}
