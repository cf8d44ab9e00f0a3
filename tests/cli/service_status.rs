//! `status`: what a running service knows and holds, for people and for programs.

use std::process::Stdio;

use balena_agent::service::Client;
use serde_json::Value;

use crate::support::{
    agent, assert_fails, device, free_address, run, stderr, stdout, until_complete, until_ready,
};

#[tokio::test]
async fn status_shows_readiness_supervisor_services_leases_and_faults() {
    let (device, mut environment) = device().await;
    std::fs::create_dir_all(device.lock_directory(1, "main")).unwrap();
    let state = std::env::temp_dir().join(format!("balena-agent-cli-status-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&state);
    std::fs::create_dir(&state).unwrap();
    let address = free_address();
    for (name, value) in [
        ("AGENT_LISTEN", address.as_str()),
        ("AGENT_STATE_DIRECTORY", state.to_str().unwrap()),
        ("AGENT_TYPO", "1"),
        ("AGENT_CLIENT_MODEM", "locks"),
        ("AGENT_CLIENT_MODEM_TOKEN", "modem-token-0123456789"),
    ] {
        environment.insert(name.into(), value.into());
    }
    assert_fails(&run(&environment, &["status"]).await, 6, &[&address]);

    let _service = agent(&environment, &["run"]).stderr(Stdio::null()).spawn().unwrap();
    until_complete(&address).await;
    let modem = Client::new(&address).unwrap().token("modem-token-0123456789").unwrap();
    let lease = modem.lock("flash").reason("writes firmware").await.unwrap();

    let output = run(&environment, &["status"]).await;
    let text = stdout(&output);
    for words in [
        "ready",
        "yes",
        "connected for",
        "release",
        "SERVICE",
        "helper",
        "LEASE",
        "flash",
        "modem",
        "state kept  in /",
        "AGENT_TYPO",
    ] {
        assert!(text.contains(words), "no {words} in\n{text}{}", stderr(&output));
    }
    assert!(text.contains("writes firmware"), "the administrator sees reasons\n{text}");
    let json = run(&environment, &["--json", "status"]).await;
    let json: Value = serde_json::from_str(&stdout(&json)).unwrap();
    assert_eq!(json["readiness"]["status"], "ok");
    assert_eq!(json["leases"][0]["name"], "flash");
    assert_eq!(json["supervisor"]["state"], "connected");
    lease.release().await.unwrap();

    // Without the scope for locks, the rest is shown.
    environment.insert("BALENA_AGENT_ADDRESS".into(), address.clone());
    let text = stdout(&run(&environment, &["status"]).await);
    assert!(text.contains("connected for") && text.contains("leases: "), "{text}");
    std::fs::remove_dir_all(&state).unwrap();
}

#[tokio::test]
async fn status_says_why_a_service_is_parked() {
    let (_device, mut environment) = device().await;
    let address = free_address();
    environment.insert("AGENT_LISTEN".into(), address.clone());
    environment.insert("AGENT_POLL_QUICK".into(), "soon".into());
    let _service = agent(&environment, &["run"]).stderr(Stdio::null()).spawn().unwrap();
    until_ready(&environment, &address).await;
    let text = stdout(&run(&environment, &["status"]).await);
    assert!(text.contains("no: parked") && text.contains("AGENT_POLL_QUICK"), "{text}");
}
