//! What the library's client asks of a running agent: actions.

use std::process::Stdio;

use balena_agent::service::Client;
use balena_agent::simulator::Device;

use crate::support::{agent, device, free_address, until_complete};

fn container(device: &Device, service: &str) -> String {
    device.containers().into_iter().find(|one| one.service == service).unwrap().id
}

#[tokio::test]
async fn an_action_is_done_once_and_found_again() {
    let (device, mut environment) = device().await;
    std::fs::create_dir_all(device.lock_directory(1, "main")).unwrap();
    let address = free_address();
    for (name, value) in [
        ("AGENT_LISTEN", address.as_str()),
        ("AGENT_CLIENT_WEB", "state locks actions:restart actions:reboot"),
        ("AGENT_CLIENT_WEB_TOKEN", "web-token-0123456789"),
    ] {
        environment.insert(name.into(), value.into());
    }
    let _service = agent(&environment, &["run"]).stderr(Stdio::null()).spawn().unwrap();
    until_complete(&address).await;
    let client = Client::new(&address).unwrap().token("web-token-0123456789").unwrap();

    let before = container(&device, "helper");
    let restart = || client.restart_service("helper").reason("new configuration").idempotency_key("k1");
    let action = restart().await.unwrap();
    assert_eq!((&*action.state, action.reason.as_deref()), ("done", Some("new configuration")), "{action:?}");
    assert!(!action.is_running());
    let after = container(&device, "helper");
    assert_ne!(before, after);
    assert_eq!(client.action(&action.id).await.unwrap(), action);
    assert_eq!(restart().await.unwrap().id, action.id);
    assert_eq!(container(&device, "helper"), after, "the same key: not a second time");

    let lease = client.lock("flash").await.unwrap();
    let locked = client.restart_service("helper").await.unwrap_err();
    assert!(locked.is_locked() && locked.to_string().contains("flash"), "{locked}");
    lease.release().await.unwrap();

    assert!(client.restart_service("typo").await.unwrap_err().is_not_found());
    assert!(client.stop_service("helper").await.unwrap_err().is_unauthorized());
    assert!(client.restart_service("helper").force().await.unwrap_err().is_unauthorized());
    let unconfirmed = client.reboot("another device").await.unwrap_err();
    assert!(unconfirmed.is_invalid_argument(), "{unconfirmed}");
    assert!(client.action("nothing").await.unwrap_err().is_not_found());
    assert_eq!(container(&device, "helper"), after);
}
