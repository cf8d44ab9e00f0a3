//! What the commands do and show.

use std::collections::BTreeMap;
use std::time::Duration;

use balena_agent::simulator::{Fault, Injection};
use serde_json::Value;

use crate::support::{device, run, stderr, stdout};

#[tokio::test]
async fn shows_the_device() {
    let (_device, environment) = device().await;
    let output = run(&environment, &["device", "state"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("supervisor_version  19.0.5\n"), "{}", stdout(&output));

    let output = run(&environment, &["--json", "device", "state"]).await;
    let state: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(state["supervisor_version"], "19.0.5");

    let output = run(&environment, &["device", "services"]).await;
    let table = stdout(&output);
    let mut lines = table.lines();
    assert!(lines.next().unwrap().starts_with("APPLICATION  SERVICE  STATUS"), "{table}");
    assert!(table.lines().any(|line| line.starts_with("small-fleet  main     Running")), "{table}");
}

#[tokio::test]
async fn every_reading_command_works_in_both_forms() {
    let (_device, environment) = device().await;
    for arguments in [
        &["device", "ping"][..],
        &["device", "identify"],
        &["device", "state"],
        &["device", "services"],
        &["device", "name"],
        &["device", "tags"],
        &["device", "vpn"],
        &["device", "host-config"],
        &["device", "update"],
        &["device", "logs", "-n", "3"],
        &["device", "start-service", "main"],
        &["device", "restart-service", "helper"],
        &["device", "set-tags", "site=berlin", "floor=3"],
        &["device", "set-host-config", "--proxy", "socks5://192.0.2.1:1080", "--no-proxy", "10.0.0.0/8"],
        &["device", "restart"],
        &["supervisor", "ping"],
        &["supervisor", "healthy"],
        &["supervisor", "version"],
        &["supervisor", "device-info"],
        &["supervisor", "status"],
        &["supervisor", "applications"],
        &["supervisor", "application"],
        &["supervisor", "container-id"],
        &["supervisor", "container-id", "main"],
        &["supervisor", "restart"],
        &["supervisor", "purge", "--yes"],
        &["supervisor", "wait-ready", "30s"],
        &["supervisor", "wait-for", "main", "Running", "30s"],
        &["supervisor", "cleanup-volumes", "--yes"],
        &["lock", "status"],
    ] {
        for json in [false, true] {
            let mut arguments = arguments.to_vec();
            if json {
                arguments.insert(0, "--json");
            }
            let output = run(&environment, &arguments).await;
            assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
            if json {
                for line in stdout(&output).lines() {
                    serde_json::from_str::<Value>(line)
                        .unwrap_or_else(|cause| panic!("{arguments:?}: {cause}: {line}"));
                }
            }
        }
    }
}

#[tokio::test]
async fn stops_and_waits() {
    let (device, environment) = device().await;
    let output = run(&environment, &["device", "stop-service", "helper", "--until-done", "30s"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let helper = device.containers().into_iter().find(|container| container.service == "helper").unwrap();
    assert_eq!(helper.status, "exited");
}

#[tokio::test]
async fn waits_for_a_supervisor_that_restarts() {
    let (device, environment) = device().await;
    device.restart_supervisor(Duration::from_secs(2)).await;
    let output = run(&environment, &["--wait", "30s", "device", "state"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[tokio::test]
async fn doctor_tells_what_is_wrong() {
    let (device, mut environment) = device().await;
    std::fs::create_dir_all(device.lock_directory(1, "main")).unwrap();
    environment.insert("BALENA_API_URL".into(), device.address());
    let output = run(&environment, &["doctor"]).await;
    let report = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{report}");
    for check in ["supervisor key", "key scope", "update lock", "clock"] {
        assert!(
            report.lines().any(|line| line.starts_with("ok") && line.contains(check)),
            "{check}: {report}"
        );
    }

    let own = environment["BALENA_APP_ID"].clone();
    environment.insert("BALENA_APP_ID".into(), "424242".into());
    let output = run(&environment, &["doctor"]).await;
    let report = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{report}");
    let scope = report.split("FAIL  key scope").nth(1).unwrap();
    for word in ["BALENA_APP_ID is 424242", &format!("the key covers {own} ("), "fix:", "remove it"] {
        assert!(scope.contains(word), "{word}: {report}");
    }
    environment.insert("BALENA_APP_ID".into(), own);

    // What it advises is something else than to run it.
    let key = environment.insert("BALENA_SUPERVISOR_API_KEY".into(), "ffffffff".into()).unwrap();
    let report = stdout(&run(&environment, &["doctor"]).await);
    assert!(report.contains("FAIL  supervisor key") && !report.contains("balena-agent doctor"), "{report}");
    environment.insert("BALENA_SUPERVISOR_API_KEY".into(), key);

    let address =
        environment.insert("BALENA_SUPERVISOR_ADDRESS".into(), device.address() + "/base/").unwrap();
    let output = run(&environment, &["doctor"]).await;
    let report = stdout(&output);
    assert!(report.contains("warn  supervisor address") && report.contains("path"), "{report}");
    environment.insert("BALENA_SUPERVISOR_ADDRESS".into(), address);

    environment.insert("BALENA_API_KEY".into(), "hidden\n".into());
    let output = run(&environment, &["doctor"]).await;
    let report = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{report}");
    assert!(report.contains("FAIL  cloud key") && report.contains("BALENA_API_KEY"), "{report}");
    assert!(report.contains("line break") && !report.contains("hidden"), "{report}");
    environment.remove("BALENA_API_KEY");

    environment.insert("BALENA_SUPERVISOR_API_KEY".into(), "wrong".into());
    let output = run(&environment, &["doctor"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("FAIL  supervisor key"), "{}", stdout(&output));

    let output =
        run(&BTreeMap::from([("BALENA_API_URL".into(), device.address())]), &["--json", "doctor"]).await;
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let failed: Vec<&Value> =
        report.as_array().unwrap().iter().filter(|finding| finding["result"] == "fail").collect();
    assert!(failed[0]["fix"].as_str().unwrap().contains("io.balena.features.supervisor-api"), "{report}");
}

#[tokio::test]
async fn doctor_goes_the_way_that_the_client_goes() {
    let report = async |variables: &[(&str, &str)]| {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        stdout(&run(&variables.collect(), &["doctor"]).await)
    };
    let api = ("BALENA_API_URL", "https://api.example.invalid");
    let told = report(&[("BALENA_API_URL", "https://me:hidden@api.example.invalid")]).await;
    assert!(told.contains("FAIL  cloud settings") && told.contains("BALENA_API_URL"), "{told}");
    assert!(!told.contains("hidden"), "{told}");
    let told = report(&[api, ("BALENA_EXTRA_CA_CERTS", "/nowhere.pem")]).await;
    assert!(told.contains("FAIL  cloud settings") && told.contains("/nowhere.pem"), "{told}");
    // Nobody listens there.
    let told = report(&[api, ("HTTPS_PROXY", "http://me:hidden@127.0.0.1:1")]).await;
    assert!(told.contains("through the proxy 127.0.0.1:1") && !told.contains("hidden"), "{told}");
}

#[tokio::test]
async fn the_key_shows_nowhere() {
    let (device, environment) = device().await;
    let key = device.key("main").unwrap();
    for arguments in [
        &["-vvv", "device", "state"][..],
        &["-vvv", "--json", "device", "restart-service", "nope"],
        &["-vvv", "doctor"],
        &["-vvv", "supervisor", "applications"],
    ] {
        let output = run(&environment, arguments).await;
        assert!(!stdout(&output).contains(&key) && !stderr(&output).contains(&key), "{arguments:?}");
    }
}

#[tokio::test]
async fn doctor_tries_the_lock_and_keeps_to_the_timeout() {
    let (device, mut environment) = device().await;
    let lock = device.lock_directory(1, "main").join("updates.lock");
    std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
    environment.insert("BALENA_API_URL".into(), device.address());
    let finding = async |path: &std::path::Path, environment: &BTreeMap<String, String>| {
        let mut environment = environment.clone();
        environment.insert("BALENA_APP_LOCK_PATH".into(), path.to_str().unwrap().to_owned());
        let output = run(&environment, &["--json", "doctor"]).await;
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        report.as_array().unwrap().iter().find(|finding| finding["check"] == "update lock").unwrap().clone()
    };
    assert_eq!(finding(&lock, &environment).await["result"], "ok");
    let wrong_name = finding(&lock.with_file_name("my.lock"), &environment).await;
    assert_eq!(wrong_name["result"], "fail");
    assert!(wrong_name["fix"].as_str().unwrap().contains("unset BALENA_APP_LOCK_PATH"), "{wrong_name}");
    assert_eq!(finding(&lock.join("none/updates.lock"), &environment).await["result"], "warn");
    std::fs::create_dir(&lock).unwrap();
    let held = finding(&lock, &environment).await;
    assert!(held["found"].as_str().unwrap().contains("held by a directory"), "{held}");

    device.inject(Injection::new(Fault::Silence));
    let begun = std::time::Instant::now();
    let output = run(&environment, &["--timeout", "200ms", "doctor"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("no response within 200ms"), "{}", stdout(&output));
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}
