//! What a script meets inside of `simulate -- COMMAND`: services of its choice, and a state that reads well.

use std::collections::BTreeMap;

use crate::support::{AGENT, run, stderr, stdout};

/// What a script does inside of a simulated device with these options.
async fn inside(options: &[&str], script: &str) -> std::process::Output {
    let script = format!("set -e; agent={AGENT}; {script}");
    run(&BTreeMap::new(), &[&["simulate"], options, &["--", "/bin/sh", "-c", &script]].concat()).await
}

#[tokio::test]
async fn the_services_of_the_device_can_be_chosen() {
    let services = "$agent --json supervisor container-id; echo $BALENA_SERVICE_NAME";
    for (options, names) in [
        (&["--services", "web"][..], &["web"][..]),
        (&["--services", "web,my_db.2"], &["my_db.2", "web"]),
        (&["--services", "b", "--services", "a"], &["a", "b"]),
        (&[], &["helper", "main", "plain"]),
    ] {
        let output = inside(options, services).await;
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(0), "{options:?}: {}", stderr(&output));
        let mut lines = text.lines();
        let ids: BTreeMap<String, String> = serde_json::from_str(lines.next().unwrap()).unwrap();
        assert_eq!(ids.keys().collect::<Vec<_>>(), names, "{options:?}");
        let first = options.last().map_or("main", |named| named.split(',').next().unwrap());
        assert_eq!(lines.next(), Some(if options.len() == 4 { "b" } else { first }));
    }
    // An application of one service: updates, locks and the calls that only such a one has.
    let story = "$agent supervisor single-container >/dev/null; $agent simulate ctl lock; \
                 $agent simulate ctl time pull 50ms; $agent simulate ctl unlock; $agent simulate ctl release; \
                 $agent supervisor wait-for web running 20s; $agent device restart-service web";
    let output = inside(&["--services", "web"], story).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for (names, why) in [("web,web", "twice"), ("", "1 to 63"), ("a b", "1 to 63"), ("a,,b", "1 to 63")] {
        let output = run(&BTreeMap::new(), &["simulate", "--services", names]).await;
        assert_eq!(output.status.code(), Some(2), "{names}");
        assert!(stderr(&output).contains(why), "{names}: {}", stderr(&output));
    }
}

#[tokio::test]
async fn the_state_of_the_device_reads_well() {
    let script = "$agent simulate ctl lock; $agent device ping; $agent simulate ctl state";
    let output = inside(&[], script).await;
    let text = stdout(&output);
    for line in [
        "address  http://127.0.0.1:",
        "SERVICE  STATUS   ID\n",
        "main     Running  ",
        "SERVICE  FILE\nmain     updates.lock\n",
        "METHOD  PATH   COUNT\nGET     /ping  1\n",
    ] {
        assert!(text.contains(line), "no {line:?} in:\n{text}");
    }
    assert!(!text.contains(['{', '"']), "{text}");
    let output = inside(&[], "$agent --json simulate ctl state").await;
    let state: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((state["containers"].as_array().unwrap().len(), &state["locks"]), (3, &serde_json::json!([])));
}
