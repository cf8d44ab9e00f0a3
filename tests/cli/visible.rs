//! What can't be seen is made visible, wherever it is printed.

use balena_agent::simulator::{Device, Tag};
use serde_json::Value;

use crate::support::{run, stderr, stdout};

/// One of each kind: C0, C1, DEL, direction, no width, ends of lines and paragraphs.
const HIDDEN: &[char] = &[
    '\0', '\u{1b}', '\u{7f}', '\u{9b}', '\u{202e}', '\u{2066}', '\u{2069}', '\u{200b}', '\u{200d}',
    '\u{feff}', '\u{2028}', '\u{2029}', '\u{61c}', '\u{2060}',
];

#[track_caller]
fn assert_visible(text: &str) {
    let hidden = text.chars().find(|c| HIDDEN.contains(c));
    assert_eq!(hidden, None, "in {text:?}");
}

#[tokio::test]
async fn in_tables_lines_json_and_errors_alike() {
    for hidden in HIDDEN {
        let odd = format!("a{hidden}b");
        let tag = Tag { id: 1, name: odd.clone(), value: odd.clone() };
        let device = Device::builder().tags(vec![tag]).start().await.unwrap();
        let environment = device.environment("main").unwrap();
        device.write_journal(&format!("colour{hidden}ful\ttext"));

        let table = stdout(&run(&environment, &["device", "tags"]).await);
        assert_visible(&table);
        let escape = if *hidden == '\0' { "\\0".to_owned() } else { hidden.escape_unicode().to_string() };
        assert!(table.contains(&format!("a{escape}b  a{escape}b")), "{table}");

        // In JSON it is an escape with the same meaning.
        let json = stdout(&run(&environment, &["--json", "device", "tags"]).await);
        assert_visible(&json);
        let tags: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(tags[0]["value"], odd.as_str());

        let logs = stdout(&run(&environment, &["device", "logs", "-n", "1"]).await);
        assert_visible(&logs);
        let logs = stdout(&run(&environment, &["--json", "device", "logs", "-n", "1"]).await);
        assert_visible(&logs);

        // What a caller gives comes back in errors; no argument can have a NUL.
        if *hidden == '\0' {
            continue;
        }
        for arguments in [
            &["supervisor", "container-id", &odd][..],
            &["device", "set-tags", &odd],
            &["device", "set-host-config", "--hostname", &odd],
            &["device", "set-host-config", "--proxy", &odd],
            &["-vvv", "supervisor", "restart-service", &odd],
            &[&odd],
        ] {
            for form in [&[][..], &["--json"]] {
                let output = run(&environment, &[form, arguments].concat()).await;
                let text = stderr(&output);
                assert!(!output.status.success() && !text.is_empty(), "{arguments:?}");
                assert_visible(&text);
            }
        }
    }
}
