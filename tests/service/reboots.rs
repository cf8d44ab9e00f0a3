//! The agent as a container of a simulated device that reboots and loses power: its leases and its ledger.

use std::net::SocketAddr;
use std::time::Duration;

use balena_agent::simulator::{Device, Timings, Workload};

use crate::place::{CLIENT, call};
use crate::support::eventually;

const BOOT: Duration = Duration::from_millis(50);

/// Waits for more than this number of entries in the ledger; gives their number.
async fn entries(agent: SocketAddr, before: usize) -> usize {
    eventually("the agent to act", async || {
        let ledger = call(agent, "GET", "/agent/v1/ledger", "").await?;
        let count = ledger.json()["entries"].as_array()?.len();
        (ledger.status == 200 && count > before).then_some(count)
    })
    .await
}

/// The id of a held lease.
async fn held(agent: SocketAddr, name: &str) -> Option<String> {
    let list = call(agent, "GET", "/agent/v1/locks", "").await?.json();
    let lease = list["leases"].as_array()?.iter().find(|lease| lease["name"] == name)?.clone();
    (lease["state"] == "held").then(|| lease["id"].as_str().unwrap().to_owned())
}

/// What the ledger says of the last start.
async fn last_entry(agent: SocketAddr) -> (String, String) {
    let ledger = call(agent, "GET", "/agent/v1/ledger", "").await.unwrap().json();
    let entry = |field: &str| ledger["entries"][0][field].as_str().unwrap().to_owned();
    (entry("action"), entry("detail"))
}

#[tokio::test]
async fn leases_go_on_after_a_reboot_and_a_power_loss_and_the_ledger_tells_them_apart() {
    let probe = std::process::Command::new("unshare").args(["--mount", "true"]).status();
    if !probe.is_ok_and(|status| status.success()) {
        eprintln!(
            "SKIPPED: no mount namespace can be made here (unshare --mount), so the boot id is not shown"
        );
        return;
    }
    let quick = |timings: &mut Timings| (timings.power_off, timings.boot) = (BOOT, BOOT);
    let device = Device::builder().with_timings(quick).start().await.unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let agent = free.local_addr().unwrap();
    drop(free);
    let volume = device.volume_directory(1, "main-data");
    let workload = Workload::new(env!("CARGO_BIN_EXE_balena-agent"))
        .args(["run", "--listen", &agent.to_string()])
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .env("AGENT_STATE_DIRECTORY", volume.to_str().unwrap())
        .env("AGENT_REQUEST_RATE", "1000")
        .env("AGENT_CLIENT_APP", "state locks locks:keep")
        .env("AGENT_CLIENT_APP_TOKEN", CLIENT)
        .with_boot_id();
    device.run_in("main", workload);
    let lock = device.lock_directory(1, "main").join("updates.lock");
    let first = entries(agent, 0).await;
    // In the simulator the boot clock goes on over a boot, so a power loss would end a TTL.
    for (name, term) in [("flash", r#"{"ttl":"30m"}"#), ("kept", r#"{"keep":true}"#)] {
        let answer = call(agent, "PUT", &format!("/agent/v1/locks/{name}"), term).await.unwrap();
        assert_eq!(answer.status, 201, "{}", answer.body);
    }
    let (flash, kept) = (held(agent, "flash").await, held(agent, "kept").await);
    assert!(flash.is_some() && kept.is_some() && lock.exists());

    device.reboot();
    let second = entries(agent, first).await;
    assert_eq!(held(agent, "flash").await, flash);
    assert_eq!(held(agent, "kept").await, kept);
    assert!(lock.exists());
    let (action, detail) = last_entry(agent).await;
    assert!(action == "reboot" && detail.contains("orderly"), "{action}: {detail}");

    device.power_cycle();
    entries(agent, second).await;
    assert_eq!(held(agent, "kept").await, kept);
    assert!(lock.exists());
    let (action, detail) = last_entry(agent).await;
    assert!(action == "reboot" && detail.contains("without a warning"), "{action}: {detail}");
}
