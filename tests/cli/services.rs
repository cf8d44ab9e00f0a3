//! Commands on services: names that are not there, restarts that did not happen, waits, and the journal of one.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use balena_agent::simulator::{Device, EngineCall, Fault, Fixture, Injection};
use nix::sys::signal::{Signal, kill};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

use crate::support::{agent, assert_fails, device, pid, run, stderr, stdout};

/// A device whose application has one service, `agent`.
async fn single() -> (Device, BTreeMap<String, String>) {
    let text = include_str!("../cases/supervisor/fixture.json");
    let fixture = Fixture::from_json(text).unwrap();
    let device = Device::builder().fixture(fixture).apps("single").start().await.unwrap();
    let environment = device.environment("agent").unwrap();
    (device, environment)
}

fn ids(device: &Device) -> Vec<(String, String, String)> {
    device.containers().into_iter().map(|one| (one.service, one.id, one.status)).collect()
}

#[tokio::test]
async fn a_service_that_is_not_there_is_left_alone() {
    for (device, environment) in [single().await, device().await] {
        let before = ids(&device);
        for command in [
            &["device", "restart-service", "typo"][..],
            &["device", "restart-service", "typo", "--force"],
            &["device", "stop-service", "typo"],
            &["device", "stop-service", "typo", "--until-done", "30s"],
            &["device", "start-service", "typo"],
            &["device", "restart-service", "--image-id", "424242"],
            &["device", "stop-service", "--image-id", "424242"],
            &["device", "start-service", "--image-id", "424242"],
        ] {
            assert_fails(&run(&environment, command).await, 3, &["nothing was sent"]);
        }
        assert_eq!(ids(&device), before);
        let known = &before[0].0;
        let near = format!("{known}s");
        let output = run(&environment, &["device", "restart-service", &near]).await;
        assert_fails(&output, 3, &[&near, &format!("did you mean \"{known}\"?")]);
        // A look that fails stops nothing.
        device.inject(Injection::new(Fault::Status(503)).times(1).on("/v2/applications/state"));
        let output = run(&environment, &["device", "restart-service", known]).await;
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_ne!(ids(&device), before);
    }
}

#[tokio::test]
async fn a_restart_that_did_not_happen_is_a_failure() {
    let (device, environment) = device().await;
    let output = run(&environment, &["--json", "device", "restart-service", "main"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["confirmed"], true);
    assert_eq!(device.request_count("GET", "/v2/state/status"), 2, "one read before and one after");

    // The supervisor is away for the first look only: it is asked no more, and what it says is not confirmed.
    device.inject(Injection::new(Fault::ResetBefore).times(1).on("/v2/state/status"));
    let output = run(&environment, &["device", "restart-service", "main"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("not confirmed"), "{}", stderr(&output));
    assert_eq!(device.request_count("GET", "/v2/state/status"), 3);

    let before = ids(&device);
    device.break_engine(EngineCall::StopContainer);
    let output = run(&environment, &["device", "restart-service", "main"]).await;
    assert_fails(&output, 1, &["did not change", "service main", "Try again"]);
    assert_eq!(ids(&device), before);
}

#[tokio::test]
async fn waits_take_words_in_any_case_and_tell_what_they_saw() {
    let (_device, environment) = device().await;
    for word in ["running", "RUNNING", "Running"] {
        let output = run(&environment, &["supervisor", "wait-for", "main", word, "0s"]).await;
        assert_eq!(output.status.code(), Some(0), "{word}: {}", stderr(&output));
    }
    assert_eq!(run(&environment, &["supervisor", "wait-ready", "0s"]).await.status.code(), Some(0));
    let output = run(&environment, &["supervisor", "wait-for", "main", "runing", "0s"]).await;
    assert_fails(&output, 2, &["runing", "Running", "exited", "Awaiting handover"]);
    for limit in ["0s", "600ms"] {
        let output = run(&environment, &["supervisor", "wait-for", "main", "handing-over", limit]).await;
        assert_fails(&output, 7, &["Handing over", "last seen: it is Running"]);
    }
}

#[tokio::test]
async fn an_unhealthy_supervisor_is_told_by_the_exit_code() {
    let (device, environment) = device().await;
    assert_eq!(run(&environment, &["supervisor", "healthy"]).await.status.code(), Some(0));
    device.inject(Injection::new(Fault::Status(500)).on("/v1/healthy"));
    for (arguments, text) in [
        (&["supervisor", "healthy"][..], "healthy  false\n"),
        (&["--json", "supervisor", "healthy"], "{\"healthy\":false}\n"),
    ] {
        let output = run(&environment, arguments).await;
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), text), "{}", stderr(&output));
    }
}

#[tokio::test]
async fn status_shows_what_its_help_says() {
    let (_device, environment) = device().await;
    let text = stdout(&run(&environment, &["supervisor", "status"]).await);
    for words in
        ["release", "appState", "applied", "overallDownloadProgress", "CONTAINER ID", "NAME", "Downloaded"]
    {
        assert!(text.contains(words), "no {words} in\n{text}");
    }
    assert!(text.contains("registry.example.com/v2/main1000"), "{text}");
    // Times come back as they were sent.
    let status = run(&environment, &["--json", "supervisor", "status"]).await;
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    for container in status["containers"].as_array().unwrap() {
        let time = container["createdAt"].as_str().unwrap();
        assert_eq!(time.len(), "2026-11-23T12:00:00.820Z".len(), "{time}");
    }
}

#[tokio::test]
async fn nothing_is_told_as_nothing() {
    let text = include_str!("../cases/supervisor/fixture.json");
    let device =
        Device::builder().fixture(Fixture::from_json(text).unwrap()).apps("none").start().await.unwrap();
    let environment = BTreeMap::from([
        ("BALENA_SUPERVISOR_ADDRESS".to_owned(), device.address()),
        ("BALENA_SUPERVISOR_API_KEY".to_owned(), device.key("global").unwrap()),
    ]);
    for (arguments, words) in [
        (&["device", "services"][..], "no services"),
        (&["supervisor", "applications"], "no services"),
        (&["supervisor", "container-id"], "nothing to show"),
    ] {
        let output = run(&environment, arguments).await;
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), ""), "{arguments:?}");
        assert!(stderr(&output).contains(words), "{arguments:?}: {}", stderr(&output));
    }
    let text = stdout(&run(&environment, &["supervisor", "status"]).await);
    assert!(text.contains("no containers") && text.contains("no images"), "{text}");
}

#[tokio::test]
async fn the_single_container_commands_take_an_application() {
    let (device, mut environment) = single().await;
    environment.remove("BALENA_APP_ID");
    environment.remove("RESIN_APP_ID");
    for command in ["single-container", "stop-single", "start-single"] {
        assert_fails(&run(&environment, &["supervisor", command]).await, 78, &["BALENA_APP_ID"]);
        let output = run(&environment, &["supervisor", command, "1234567"]).await;
        assert_eq!(output.status.code(), Some(0), "{command}: {}", stderr(&output));
        assert!(stdout(&output).contains(&device.containers()[0].id), "{}", stdout(&output));
    }
    assert_fails(
        &run(&environment, &["supervisor", "stop-single", "7654321"]).await,
        4,
        &["not for this application"],
    );
}

#[tokio::test]
async fn a_forced_update_cancels_what_waits_for_a_lock() {
    let (device, environment) = device().await;
    let lock = device.lock_directory(1, "main").join("updates.lock");
    std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
    std::fs::File::create_new(&lock).unwrap();
    device.offer_update(1, &Fixture::small().apps["small"][0].releases["update"]);
    run(&environment, &["device", "update"]).await;
    // It waits for the lock, and tries again by itself.
    let failed = async || {
        let state = run(&environment, &["--json", "device", "state"]).await;
        serde_json::from_slice::<Value>(&state.stdout).unwrap()["update_failed"] == true
    };
    while !failed().await {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let output = run(&environment, &["device", "update", "--force"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let updated = async {
        while !stdout(&run(&environment, &["supervisor", "status"]).await).contains(&"c2".repeat(16)) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), updated).await.unwrap();
}

async fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    tokio::time::timeout(Duration::from_secs(20), lines.next_line()).await.unwrap().unwrap().unwrap()
}

fn follow(
    environment: &BTreeMap<String, String>,
    arguments: &[&str],
) -> (Child, Lines<BufReader<ChildStdout>>) {
    let all = [&["device", "logs", "--follow"], arguments].concat();
    let mut child = agent(environment, &all).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

#[tokio::test]
async fn the_journal_is_followed_over_a_restart_of_the_supervisor() {
    let (device, environment) = device().await;
    for format in ["short", "json", "cat"] {
        let (mut child, mut lines) = follow(&environment, &["-n", "2", "--format", format]);
        device.write_journal("before the restart");
        while !next(&mut lines).await.contains("before the restart") {}
        device.restart_supervisor(Duration::from_millis(300)).await;
        device.write_journal("after the restart");
        let mut others = 0;
        loop {
            let line = next(&mut lines).await;
            assert!(!line.contains("before the restart"), "{format}: it comes twice: {line}");
            if line.contains("after the restart") {
                break;
            }
            others += 1;
        }
        // The simulated unit writes a line now and then while somebody follows.
        assert!(others < 20, "{format}: {others} lines came again");
        kill(pid(&child), Signal::SIGTERM).unwrap();
        child.wait().await.unwrap();
    }
}

#[tokio::test]
async fn the_journal_of_a_service_is_its_containers() {
    let (device, environment) = device().await;
    assert!(
        device.write_service_log(1, "main", "-- No entries --")
            && device.write_service_log(1, "helper", "help")
    );
    for format in ["short", "json", "cat"] {
        let logs = |service| ["device", "logs", "--service", service, "--format", format];
        let text = stdout(&run(&environment, &logs("helper")).await);
        assert!(text.contains("help") && !text.contains("No entries"), "{format}: {text}");
        // What a service writes stays, whatever it looks like.
        let text = stdout(&run(&environment, &logs("main")).await);
        assert!(text.contains("-- No entries --") && !text.contains("help"), "{format}: {text}");
        let nothing = ["device", "logs", "--unit", "nothing.service", "--format", format];
        let output = run(&environment, &nothing).await;
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), ""), "{format}");
        assert!(stderr(&output).contains("no lines"), "{format}: {}", stderr(&output));
    }

    let (mut child, mut lines) = follow(&environment, &["--service", "helper"]);
    while !next(&mut lines).await.ends_with(": help") {}
    device.restart_supervisor(Duration::from_millis(300)).await;
    device.write_service_log(1, "main", "not this one");
    device.write_service_log(1, "helper", "and this");
    let line = next(&mut lines).await;
    assert!(line.ends_with(": and this"), "{line}");
    kill(pid(&child), Signal::SIGTERM).unwrap();
    child.wait().await.unwrap();
}

#[tokio::test]
async fn the_journal_of_a_service_goes_on_in_its_next_container() {
    let (device, environment) = device().await;
    for (round, restart) in
        [&["restart-service", "helper"][..], &["restart"], &["purge", "--yes"]].into_iter().enumerate()
    {
        let (mut child, mut lines) = follow(&environment, &["--service", "helper", "-n", "1"]);
        let before = format!("before restart {round}");
        device.write_service_log(1, "helper", &before);
        while !next(&mut lines).await.ends_with(&before) {}
        let output = run(&environment, &[&["device"], restart].concat()).await;
        assert_eq!(output.status.code(), Some(0), "{restart:?}: {}", stderr(&output));
        for part in ["first", "second"] {
            let after = format!("{part} line after restart {round}");
            device.write_service_log(1, "helper", &after);
            loop {
                let line = next(&mut lines).await;
                assert!(!line.ends_with(&before), "{restart:?}: it comes twice: {line}");
                if line.ends_with(&after) {
                    break;
                }
            }
        }
        kill(pid(&child), Signal::SIGTERM).unwrap();
        child.wait().await.unwrap();
        // While lines come, nobody asks: these reads can end the supervisor.
        assert!(device.request_count("GET", "/v2/containerId") <= 4 * (round + 1), "{restart:?}");
    }
}

#[tokio::test]
async fn a_look_for_another_container_spares_a_supervisor_whose_engine_is_ill() {
    let (device, environment) = device().await;
    let (mut child, mut lines) = follow(&environment, &["--service", "helper"]);
    device.write_service_log(1, "helper", "before");
    while !next(&mut lines).await.ends_with("before") {}
    device.break_engine(EngineCall::ListContainers);
    let checked = async {
        while device.request_count("GET", "/v2/applications/state") == 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), checked).await.expect("no check within 30 s");
    // Time for the read that must not follow.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(device.request_count("GET", "/v2/containerId"), 1);
    device.recover_engine();
    device.write_service_log(1, "helper", "after");
    while !next(&mut lines).await.ends_with("after") {}
    kill(pid(&child), Signal::SIGTERM).unwrap();
    child.wait().await.unwrap();
}
