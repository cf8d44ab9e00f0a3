//! A full disk behind stdout, a reader that has gone, too few files: an error, and never a panic.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::process::Stdio;

use crate::support::{AGENT, agent, device, stderr};

/// Commands that print something.
const PRINT: &[&[&str]] = &[
    &["--help"],
    &["device", "--help"],
    &["help", "lock"],
    &["--version"],
    &["device", "state"],
    &["--json", "device", "state"],
    &["--json", "device", "ping"],
    &["--json", "device", "services"],
    &["device", "services"],
    &["device", "logs"],
    &["--json", "device", "logs", "-n", "1"],
    &["device", "logs", "--follow"],
    &["supervisor", "version"],
    &["supervisor", "healthy"],
    &["supervisor", "status"],
    &["--json", "supervisor", "wait-for", "main", "running"],
    &["supervisor", "local-logs"],
    &["lock", "status"],
    &["doctor"],
    &["simulate"],
    &["--json", "simulate"],
];

#[tokio::test]
async fn what_can_not_be_written_is_a_failure_whatever_it_is() {
    let (device, environment) = device().await;
    device.write_journal("a line");
    for arguments in PRINT {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let child = agent(&environment, arguments).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().await.unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        assert!(
            text.contains("can't write to stdout") && text.contains("no space left on the file system"),
            "{arguments:?}: {text}"
        );
    }
}

#[tokio::test]
async fn a_reader_that_has_gone_ends_a_command_in_silence() {
    let (device, environment) = device().await;
    device.write_journal("a line");
    for arguments in PRINT {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = agent(&environment, arguments).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().await.unwrap();
        // The code that a shell gives to what SIGPIPE has ended.
        let (code, text) = (output.status.code(), stderr(&output));
        assert_eq!((code, text.as_str()), (Some(141), ""), "{arguments:?}");
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
