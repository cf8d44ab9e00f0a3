//! What an error advises can be done: every option that it names is one of the command that failed.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;

use balena_agent::simulator::{Fault, Injection};
use serde_json::Value;

use crate::support::{device, run, stderr, stdout};

/// The `--options` in a text.
fn options(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter(|word| word.len() > 2 && word.starts_with("--")).map(str::to_owned).collect()
}

/// What is the matter when the command runs.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    Held,
    HeldAsLegacy,
    Stale,
    Supervisor,
    Silent,
    Away,
}

#[tokio::test]
async fn a_hint_names_options_of_its_command() {
    const STALE: &str = r#"{"maker":"balena-agent/1","owner":{"service":"main","pid":4194304,"since":"2026-01-02T03:04:05Z"}}"#;
    let (device, environment) = device().await;
    let directory = device.lock_directory(1, "main");
    for (trouble, code, arguments, named) in [
        (Trouble::Held, 5, "--timeout 1ms lock run -- true", ""),
        (Trouble::HeldAsLegacy, 5, "--timeout 1ms lock run -- true", ""),
        (Trouble::Supervisor, 5, "--timeout 1ms lock run -- true", "--timeout"),
        (Trouble::Stale, 5, "lock run --refuse-stale -- true", "--refuse-stale"),
        (Trouble::Held, 5, "device restart", "--force"),
        (Trouble::HeldAsLegacy, 5, "device reboot", "--force"),
        (Trouble::Held, 5, "device restart-service main", "--force"),
        (Trouble::Silent, 7, "--timeout 200ms device state", "--timeout"),
        (Trouble::Away, 6, "device state", "--wait"),
    ] {
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).unwrap();
        let lock = directory.join("updates.lock");
        match trouble {
            Trouble::Held => drop(File::create(lock).unwrap()),
            Trouble::HeldAsLegacy => {
                drop(File::create(directory.join("resin-updates.lock")).unwrap());
            }
            Trouble::Stale => File::create(lock).unwrap().write_all(STALE.as_bytes()).unwrap(),
            Trouble::Supervisor => {
                drop(File::create(&lock).unwrap());
                if std::os::unix::fs::chown(&lock, Some(65534), None).is_err() {
                    eprintln!("SKIP: can't give a file to user 65534");
                    continue;
                }
            }
            Trouble::Silent => device.inject(Injection::new(Fault::Silence).times(2)),
            Trouble::Away => device.inject(Injection::new(Fault::Status(502)).times(2)),
        }
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let output = run(&environment, &arguments).await;
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{trouble:?} {arguments:?}: {text}");
        assert!(text.contains(named) && text.lines().count() == 1, "{trouble:?} {arguments:?}: {text}");
        assert!(!text.contains("`."), "no builder method of the library: {text}");

        let end = arguments.iter().position(|word| *word == "--").unwrap_or(arguments.len());
        let help = run(&environment, &[&arguments[..end], &["--help"]].concat()).await;
        let known = options(&stdout(&help));
        for option in options(&text) {
            assert!(known.contains(&option), "{arguments:?} has no {option}: {text}");
        }
        // A machine reads the same.
        let output = run(&environment, &[&["--json"], &arguments[..]].concat()).await;
        let error: Value = serde_json::from_str(&stderr(&output)).unwrap();
        let help = error["error"]["help"].as_str().unwrap();
        assert!(text.contains(help) && help.contains(named), "{help}");
        assert_eq!(error["error"]["exit_code"], code);
    }
}
