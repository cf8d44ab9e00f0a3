use super::*;
use crate::service::ledger::tests::reading;

fn run(boot_id: &str, stopped: Option<&str>, container: Option<&str>, release: Option<&str>) -> RunRecord {
    let now = reading("2026-11-29T02:55:00Z", boot_id, 3600);
    let mut run = RunRecord::new(&now, container.map(Into::into), "0.2.0");
    run.stopped = stopped.map(|time| time.parse().unwrap());
    run.facts.release = release.map(Into::into);
    run.facts.supervisor = Some("connected".into());
    run
}

const STOPPED: Option<&str> = Some("2026-11-29T03:00:00Z");

#[test]
fn why_it_restarted() {
    let table = [
        // boot id of the last run, SIGTERM, container and release then; the same now → action, words
        ("a", STOPPED, ("c1", "r1"), ("b", "c1", "r1"), "reboot", "in an orderly way"),
        ("a", None, ("c1", "r1"), ("b", "c1", "r1"), "reboot", "without a warning: power loss"),
        ("a", STOPPED, ("c1", "r1"), ("a", "c2", "r2"), "stop", "by that of a new release"),
        ("a", STOPPED, ("c1", "r1"), ("a", "c2", "r1"), "stop", "recreated: a restart of the application"),
        ("a", STOPPED, ("c1", "r1"), ("a", "c1", "r1"), "stop", "stopped and started again"),
        ("a", STOPPED, ("", "r1"), ("a", "", "r1"), "stop", "was stopped: an update"),
        ("a", None, ("c1", "r1"), ("a", "c1", "r1"), "crash", "a crash, kill -9 or out of memory"),
        ("a", None, ("", ""), ("a", "", ""), "crash", "a crash, kill -9 or out of memory"),
        ("a", None, ("c1", "r1"), ("a", "c2", "r1"), "crash", "was killed, and its container recreated"),
        ("a", None, ("c1", "r1"), ("a", "c2", "r2"), "crash", "replaced by that of a new release"),
    ];
    for (boot_id, stopped, was, is, action, words) in table {
        let some = |text: &'static str| (!text.is_empty()).then_some(text);
        let previous = run(boot_id, stopped, some(was.0), some(was.1));
        let now = reading("2026-11-29T03:01:00Z", is.0, 30);
        let mut present = RunRecord::new(&now, some(is.1).map(Into::into), "0.2.0");
        present.facts.release = some(is.2).map(Into::into);
        let seen = explain(&previous, &present, &now);
        assert_eq!(seen.action, action, "{seen:?}");
        assert!(seen.detail.contains(words), "{words}: {seen:?}");
        let fact = |fact: &str| seen.evidence.iter().find(|evidence| evidence.fact == fact).map(|e| &*e.text);
        assert_eq!(fact("sigterm").unwrap().contains("no SIGTERM"), stopped.is_none());
        assert_eq!(fact("boot_id").unwrap().contains("did not reboot"), boot_id == is.0);
        assert!(fact("last_seen").unwrap().contains("2026-11-29T02:55:00Z, 60 min after the boot"));
        assert_eq!(fact("supervisor"), Some("the supervisor was connected"));
        assert_eq!(seen.target.is_none(), boot_id != is.0, "a reboot is one of the device");
    }
}

#[test]
fn a_boot_long_after_the_stop_may_have_had_another_cause() {
    let previous = run("a", STOPPED, None, None);
    let explained = |wall: &str, trusted: bool| {
        let mut now = reading(wall, "b", 60);
        now.trusted = trusted;
        explain(&previous, &RunRecord::new(&now, None, "0.2.0"), &now)
    };
    assert!(explained("2026-11-29T03:10:00Z", true).detail.contains("orderly"));
    let late = explained("2026-11-29T05:01:00Z", true);
    assert!(late.detail.contains("120 min later the device booted; how it went down"), "{late:?}");
    let unset = explained("1970-01-01T00:01:00Z", false);
    assert!(unset.detail.contains("orderly"), "a clock that is not set says nothing of a gap");
    assert!(unset.evidence.iter().any(|evidence| evidence.fact == "clock"));
}

#[test]
fn what_changed_meanwhile_is_evidence() {
    let mut previous = run("a", STOPPED, Some("c1"), Some("r1"));
    previous.facts.os_version = Some("balenaOS 6.5.24".into());
    previous.version = "0.1.0".into();
    let now = reading("2026-11-29T03:01:00.123456789Z", "b", 30);
    let mut present = RunRecord::new(&now, Some("c2".into()), "0.2.0");
    present.facts = Facts { os_version: Some("balenaOS 6.6.0".into()), ..previous.facts.clone() };
    let texts: Vec<String> =
        explain(&previous, &present, &now).evidence.into_iter().map(|evidence| evidence.text).collect();
    for text in [
        "container c2 instead of c1",
        "the same release: r1",
        "host OS balenaOS 6.6.0 instead of balenaOS 6.5.24",
        "agent 0.2.0 instead of 0.1.0",
        "the device booted at 2026-11-29T03:00:30Z",
    ] {
        assert!(texts.iter().any(|have| have == text), "{text}: {texts:#?}");
    }
}

#[test]
fn a_record_of_another_release_can_be_read() {
    let text = r#"{"boot_id":"a","started":"2026-11-29T03:00:00Z","last_seen":"2026-11-29T03:00:00Z",
        "new_field":{"x":1},"facts":{"weather":"fine"}}"#;
    let run: RunRecord = serde_json::from_str(text).unwrap();
    assert_eq!((run.stopped, run.facts), (None, Facts::default()));
}
