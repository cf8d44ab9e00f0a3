//! Answers of other supervisors than the one that was recorded: older, newer, unmanaged, behind a proxy.

use balena_agent::supervisor::{
    AppState, ApplicationState, DeviceState, HostConfig, ImageStatus, ServiceStatus, Supervisor,
    UpdateStatus, UpdateTrigger,
};
use serde_json::{Value, json};

use crate::client;
use crate::client_calls::{ENDPOINTS, Options, perform};
use crate::scripted::{Scripted, Turn};

fn with(body: &Value) -> (Scripted, Supervisor) {
    let server = Scripted::new([Turn::json(200, body)]);
    let supervisor = client(&server.url());
    (server, supervisor)
}

async fn device(body: Value) -> DeviceState {
    let (_server, supervisor) = with(&body);
    supervisor.device().await.unwrap_or_else(|error| panic!("{body}: {error:?}"))
}

#[tokio::test]
async fn the_device_decodes_from_little_and_from_much() {
    assert_eq!(device(json!({})).await, DeviceState::default());
    let nulls = json!({
        "api_port": null, "ip_address": null, "mac_address": null, "commit": null, "status": null,
        "download_progress": null, "os_version": null, "supervisor_version": null, "update_pending": null,
        "update_failed": null, "update_downloaded": null,
    });
    assert_eq!(device(nulls).await, DeviceState::default());
    for port in [json!(48484), json!("48484"), json!(" 48484 ")] {
        assert_eq!(device(json!({"api_port": port, "new_field": {"a": [1]}})).await.api_port, Some(48484));
    }
    let state = device(json!({"status": "Meditating", "download_progress": 12.5})).await;
    assert_eq!(state.status, Some(ServiceStatus::Other("Meditating".into())));
    assert_eq!(state.download_progress, Some(12.5));
    let state = device(json!({"status": "exited", "ip_address": "10.0.0.2 fe80::1"})).await;
    assert_eq!(
        (state.status, state.ip_address.as_deref()),
        (Some(ServiceStatus::Exited), Some("10.0.0.2 fe80::1"))
    );
}

async fn only_application(body: Value) -> ApplicationState {
    let (_server, supervisor) = with(&json!({"demo": body}));
    supervisor.applications_state().await.unwrap_or_else(|error| panic!("{body}: {error:?}"))["demo"].clone()
}

#[tokio::test]
async fn applications_decode_before_17_7_and_after_19() {
    let old = json!({"appId": 7, "commit": "abc", "services": {"main": {"status": "Running", "releaseId": 9, "downloadProgress": null}}});
    let old = only_application(old).await;
    assert_eq!((old.app_id.get(), &old.app_uuid, &old.update_status), (7, &None, &None));
    assert_eq!(old.services["main"].status, ServiceStatus::Running);
    for (word, status) in [
        ("rejected", UpdateStatus::Rejected),
        ("aborted", UpdateStatus::Aborted),
        ("applying changes", UpdateStatus::ApplyingChanges),
        ("levitating", UpdateStatus::Other("levitating".into())),
    ] {
        let app = only_application(json!({"appId": 7, "updateStatus": word, "services": {}, "x": 1})).await;
        assert_eq!(app.update_status, Some(status));
    }
    let bare = only_application(
        json!({"appId": 7, "commit": null, "appUuid": null, "updateStatus": null, "services": null}),
    )
    .await;
    assert!(bare.services.is_empty() && bare.commit.is_none());
    let services = json!({"a": {}, "b": {"status": null, "image": null, "releaseId": null}, "c": {"status": "Dead", "new": 1}});
    let app = only_application(json!({"appId": 7, "services": services})).await;
    assert_eq!(app.services["a"].status.as_str(), "");
    assert_eq!(app.services["b"].status.as_str(), "");
    assert_eq!(app.services["c"].status, ServiceStatus::Dead);
}

#[tokio::test]
async fn the_other_states_decode_from_little() {
    let (_server, supervisor) = with(&json!({"local": {"7": {"services": {"11": {"status": "Running"}}}}}));
    let state = supervisor.application_by_id(7).state().await.unwrap();
    assert_eq!(state.local[&7.into()].services[&11.into()].status, ServiceStatus::Running);
    for body in [
        json!({"appState": "applying"}),
        json!({"appState": "applying", "containers": null, "images": null, "release": null}),
    ] {
        let (_server, supervisor) = with(&body);
        let state = supervisor.state_status().await.unwrap();
        assert_eq!(state.app_state, AppState::Applying);
        assert!(state.containers.is_empty() && state.images.is_empty() && state.release.is_none());
    }
    let image = json!({"name": "x", "status": "Deleting", "dockerImageId": null, "downloadProgress": 33});
    let container = json!({"status": "Handing over", "serviceName": "main", "createdAt": null});
    let (_server, supervisor) = with(&json!({"appState": "?", "containers": [container], "images": [image]}));
    let state = supervisor.state_status().await.unwrap();
    assert_eq!(state.images[0].status, ImageStatus::Deleting);
    assert_eq!(state.containers[0].status, ServiceStatus::HandingOver);
    for (body, count) in [(json!({"services": null}), 0), (json!({"services": {"a": "1"}}), 1)] {
        let (_server, supervisor) = with(&body);
        assert_eq!(supervisor.container_ids().await.unwrap().len(), count);
    }
}

#[tokio::test]
async fn versions_and_host_settings_of_older_supervisors_decode() {
    for (text, version) in [("v9.15.0", "9.15.0"), ("19.0.5", "19.0.5"), ("12.11.0+rev1", "12.11.0+rev1")] {
        let (_server, supervisor) = with(&json!({"version": text}));
        assert_eq!(supervisor.version().await.unwrap(), version);
    }
    let config = async |body: Value| -> HostConfig {
        let (_server, supervisor) = with(&body);
        supervisor.host_config().await.unwrap_or_else(|error| panic!("{body}: {error:?}"))
    };
    assert!(config(json!({"network": {}})).await.network.proxy.is_none());
    assert!(config(json!({"network": {"proxy": {}}})).await.network.proxy.is_some());
    let old = json!({"network": {"hostname": null, "proxy": {"type": "quic", "port": "1080", "login": null, "x": 1}}});
    let proxy = config(old).await.network.proxy.unwrap();
    assert_eq!((proxy.port, proxy.kind), (Some(1080), Some("quic".into())));
}

#[tokio::test]
async fn an_update_is_triggered_in_front_of_and_behind_the_proxy() {
    let answers = [
        (Turn::answer(204, None, ""), UpdateTrigger::Started),
        (Turn::text(202, "Accepted"), UpdateTrigger::Ignored),
        (Turn::answer(202, None, ""), UpdateTrigger::Accepted),
        (Turn::text(200, "OK"), UpdateTrigger::Started),
    ];
    for (turn, trigger) in answers {
        let server = Scripted::new([turn]);
        assert_eq!(client(&server.url()).update().await.unwrap(), trigger);
    }
}

/// First versions as the reference's tables (section 3) have them. Where a 404 says that a service is
/// missing, it can't say that the endpoint is.
const SINCE: &[(&str, &str, &str)] = &[
    ("GET", "/ping", "1.1.0"),
    ("GET", "/v1/healthy", "6.5"),
    ("POST", "/v1/blink", "1.1.0"),
    ("POST", "/v1/update", "1.1.0"),
    ("POST", "/v1/reboot", "1.1.0"),
    ("POST", "/v1/shutdown", "1.1.0"),
    ("POST", "/v1/regenerate-api-key", "1.1.0"),
    ("GET", "/v1/device", "1.6"),
    ("GET", "/v1/device/host-config", "6.6"),
    ("PATCH", "/v1/device/host-config", "6.6"),
    ("GET", "/v2/version", "7.21"),
    ("GET", "/v2/device/name", "9.11"),
    ("GET", "/v2/device/tags", "9.11"),
    ("PATCH", "/v2/device/tags", "17.8"),
    ("GET", "/v2/device/vpn", "11.4"),
    ("GET", "/v2/local/device-info", "7.21"),
    ("POST", "/v1/restart", "1.1.0"),
    ("POST", "/v1/purge", "1.1.0"),
    ("POST", "/v2/applications/:app/restart", "7.0"),
    ("POST", "/v2/applications/:app/purge", "7.0"),
    ("GET", "/v1/apps/:app", "1.8"),
    ("GET", "/v2/applications/state", "7.12"),
    ("GET", "/v2/applications/:app/state", "7.12"),
    ("GET", "/v2/state/status", "9.7"),
    ("GET", "/v2/containerid", "8.6"),
    ("GET", "/v2/cleanup-volumes", "10.0"),
    ("POST", "/v2/journal-logs", "10.2"),
    ("GET", "/v2/local/target-state", "7.21"),
    ("POST", "/v2/local/target-state", "7.21"),
    ("GET", "/v2/local/logs", "7.21"),
];

#[tokio::test]
async fn an_older_supervisor_is_told_from_a_missing_service() {
    for endpoint in ENDPOINTS {
        let server = Scripted::new([Turn::text(404, "<pre>Cannot GET /x</pre>")]);
        let error = perform(&client(&server.url()), *endpoint, None, Options::default()).await.unwrap_err();
        match SINCE.iter().find(|(method, path, _)| (*method, *path) == (endpoint.0, endpoint.1)) {
            Some((.., since)) => {
                let advice = error.advice().unwrap_or_default();
                assert!(
                    error.is_unsupported() && advice.contains(&format!("supervisor {since}")),
                    "{error:?}"
                );
            }
            None => assert!(error.is_not_found(), "{endpoint:?}: {error:?}"),
        }
        // In words of its own, whatever the path: it is known.
        let server = Scripted::new([Turn::text(404, "Not Found")]);
        let error = perform(&client(&server.url()), *endpoint, None, Options::default()).await.unwrap_err();
        assert!(error.is_not_found() && error.status() == Some(404), "{endpoint:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_wrong_type_is_named_by_its_place() {
    let wrong = [
        ("/v1/device", json!({"update_pending": "no"}), "update_pending"),
        ("/v1/device", json!({"api_port": "high"}), "api_port"),
        (
            "/v2/applications/state",
            json!({"demo": {"appId": 7, "services": {"main": {"releaseId": "x"}}}}),
            "demo.services.main.releaseId",
        ),
        ("/v2/applications/:app/state", json!({"local": {"7": {"services": []}}}), "local.7.services"),
        ("/v2/state/status", json!({"appState": "applied", "images": [{"name": 5}]}), "images[0].name"),
        ("/v2/version", json!({"version": 19}), "version"),
        ("/v2/device/tags", json!({"tags": [{"id": 1, "name": "a"}]}), "tags[0]"),
    ];
    for (path, body, place) in wrong {
        let (_server, supervisor) = with(&body);
        let endpoint = ENDPOINTS.iter().find(|row| (row.0, row.1) == ("GET", path)).expect("an endpoint");
        let error = perform(&supervisor, *endpoint, None, Options::default()).await.unwrap_err();
        assert!(error.is_decode() && error.to_string().contains(&format!("at {place}: ")), "{error}");
    }
}

#[tokio::test]
async fn a_new_key_is_only_taken_if_it_is_one() {
    let server = Scripted::new([Turn::text(200, "0a1b2c3d\n")]);
    client(&server.url()).regenerate_api_key().await.unwrap();
    for body in ["", "\"0a1b2c3d\"", "<html>", "a b", "{\"key\":\"x\"}"] {
        let server = Scripted::new([Turn::text(200, body)]);
        let error = client(&server.url()).regenerate_api_key().await.unwrap_err();
        assert!(error.is_decode(), "{body}: {error:?}");
    }
}
