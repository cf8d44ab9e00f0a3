//! Actions on other devices, beyond what is recorded: refusals told apart, and nothing sent too early.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail as tests do")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use balena_agent::secrecy::SecretString;
use balena_agent::supervisor::{HostConfigPatch, JournalQuery, ServiceSelector};
use balena_agent::transport::{Body, BoxFuture, Request, Response, Transport, TransportError};
use balena_agent::{Balena, Environment, Error, RetryPolicy};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};

/// Answers in this order, and keeps what was asked.
#[derive(Debug, Clone, Default)]
struct Cloud {
    answers: Arc<Mutex<VecDeque<(u16, String)>>>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Transport for Cloud {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        let what = format!("{} {}", request.method(), request.uri().path());
        let body = serde_json::from_slice(request.body()).unwrap_or(Value::Null);
        self.asked.lock().unwrap().push((what, body));
        let (status, text) = self.answers.lock().unwrap().pop_front().expect("one request too many");
        let answer = http::Response::builder().status(status);
        let body = Body::new(stream::iter([Ok(Bytes::from(text))]));
        Box::pin(async move { Ok(answer.body(body).unwrap()) })
    }
}

impl Cloud {
    fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().unwrap().clone()
    }
}

fn balena<const N: usize>(answers: [(u16, &str); N]) -> (Balena, Cloud) {
    let cloud = Cloud::default();
    cloud.answers.lock().unwrap().extend(answers.map(|(status, text)| (status, text.to_owned())));
    let balena = Balena::builder()
        .token(SecretString::from("t0ken"))
        .retry(RetryPolicy::never())
        .transport(Arc::new(cloud.clone()))
        .build();
    (balena, cloud)
}

const DEVICE: (u16, &str) = (
    200,
    r#"{"d":[{"id":5,"uuid":"u","supervisor_version":"17.0.0","belongs_to__application":[{"id":7}]}]}"#,
);
const OLD: (u16, &str) =
    (200, r#"{"d":[{"id":5,"supervisor_version":"6.0.0","belongs_to__application":[{"id":7}]}]}"#);

async fn refused(status: u16, text: &str) -> Error {
    let (balena, _) = balena([DEVICE, (status, text)]);
    balena.device().restart_service(5, ServiceSelector::name("main")).await.unwrap_err()
}

#[tokio::test]
async fn refusals_are_told_apart() {
    assert!(refused(404, r#""No online device(s) found""#).await.is_device_offline());
    assert!(refused(404, "Not Found").await.is_device_offline());
    assert!(refused(404, "").await.is_unsupported());
    let error = refused(404, "<pre>Cannot POST /supervisor/v2/applications/7/restart-service</pre>").await;
    assert!(error.is_unsupported() && !error.to_string().contains("update the device"), "{error}");
    let error = refused(404, "Service not found, a container must exist for this endpoint to work.").await;
    assert!(error.is_not_found() && error.was_sent(), "{error}");
    let error = refused(404, "<pre>Cannot POST /v2/applications/7/restart-service</pre>").await;
    assert!(error.is_unsupported() && error.to_string().contains("update the device"), "{error}");
    assert!(refused(502, "tunneling socket could not be established").await.is_device_offline());
    assert!(refused(500, "").await.is_server());
    assert!(refused(401, "").await.is_unauthorized());
    assert!(refused(200, r#"{"Data":"","Error":"no such thing"}"#).await.is_rejected());
    let error =
        refused(423, r#"{"Data":"","Error":"Lockfile exists for { appId: 7, service: main }"}"#).await;
    assert!(error.is_locked() && error.lock_holder().is_some(), "{error}");
    let several = r#"[{"statusCode":200,"body":"OK"},{"statusCode":423,"body":"locked"}]"#;
    let error = refused(207, several).await;
    assert!(error.is_locked() && error.to_string().contains("1 of 2 devices"), "{error}");
    assert!(refused(302, "").await.is_rejected());
}

#[tokio::test]
async fn a_service_goes_by_name_and_force() {
    let (balena, cloud) = balena([DEVICE, (200, "OK")]);
    balena.device().stop_service("8deb12a", ServiceSelector::name("main")).force().await.unwrap();
    let body = json!({
        "deviceId": 5, "appId": 7,
        "data": { "appId": 7, "serviceName": "main", "force": true },
    });
    assert_eq!(cloud.asked()[1], ("POST /supervisor/v2/applications/7/stop-service".into(), body));
}

#[tokio::test]
async fn the_additions_go_there_too() {
    let (balena, cloud) = balena([
        (200, r#"{"status":"success","vpn":{"enabled":true,"connected":false}}"#),
        (200, r#"{"status":"success","deviceName":"quiet-sea"}"#),
        (200, "OK"),
    ]);
    let devices = balena.device();
    assert!(devices.vpn_state(5).await.unwrap().enabled);
    assert_eq!(devices.supervisor_device_name(5).await.unwrap(), "quiet-sea");
    devices.set_host_config(5, &HostConfigPatch::new().hostname("sea")).force().await.unwrap();
    let patch = json!({ "network": { "hostname": "sea" }, "force": true });
    assert_eq!(
        cloud.asked(),
        [
            ("POST /supervisor/v2/device/vpn".into(), json!({ "deviceId": 5, "method": "GET" })),
            ("POST /supervisor/v2/device/name".into(), json!({ "deviceId": 5, "method": "GET" })),
            (
                "POST /supervisor/v1/device/host-config".into(),
                json!({ "deviceId": 5, "method": "PATCH", "data": patch })
            ),
        ]
    );
}

#[tokio::test]
async fn an_old_supervisor_restarts_in_its_own_way_or_not_at_all() {
    let (balena, cloud) = balena([OLD, (200, "OK"), OLD]);
    balena.device().restart_application(5).await.unwrap();
    assert_eq!(cloud.asked()[1], ("POST /device/5/restart".into(), Value::Null));
    let error = balena.device().restart_application(5).force().await.unwrap_err();
    assert!(error.is_unsupported() && !error.was_sent(), "{error}");
}

#[tokio::test]
async fn nothing_is_sent_for_what_could_mean_anything() {
    let (balena, cloud) = balena([]);
    let devices = balena.device();
    let refused = [
        devices.reboot("").await.unwrap_err(),
        devices.purge(" ").await.unwrap_err(),
        devices.shutdown(0).await.unwrap_err(),
        devices.stop_application("").await.unwrap_err(),
        devices.restart_service(5, ServiceSelector::name("")).await.unwrap_err(),
        devices.set_host_config(5, &HostConfigPatch::new()).await.unwrap_err(),
        devices.tags().remove(5, "").await.unwrap_err(),
        devices.tags().remove("", "a").await.unwrap_err(),
        devices.env_var().set(0, "A", "b").await.unwrap_err(),
        devices.service_var().remove(5, "", "A").await.unwrap_err(),
        devices.service_var().remove(5, "main", "").await.unwrap_err(),
        devices.service_var().set("", "main", "A", "b").await.unwrap_err(),
        devices.history().get_all_by_device("8deb12a").await.unwrap_err(),
        devices.history().get_all_by_application("").await.unwrap_err(),
    ];
    for error in refused {
        assert!(error.is_invalid_argument() && !error.was_sent(), "{error}");
    }
    let error = devices.journal_logs("8deb12a", JournalQuery::new()).await.unwrap_err();
    assert!(error.is_unsupported(), "{error}");
    drop(devices.reboot(5));
    assert_eq!(cloud.asked(), []);
}

#[tokio::test]
async fn without_supervisor_variables_this_device_has_the_cloud_by_its_uuid() {
    const OWN: &str = "8deb12a58e3b6d3920db1c2b6303d1ff";
    let cloud = balena([DEVICE, (202, r#"{"Data":"OK","Error":null}"#)]).1;
    let balena = Balena::builder()
        .environment(Environment::from_vars([("BALENA_DEVICE_UUID", OWN), ("BALENA_API_KEY", "k")]).unwrap())
        .transport(Arc::new(cloud.clone()))
        .build();
    balena.device().reboot(OWN).await.unwrap();
    assert_eq!(cloud.asked()[1].1, json!({ "deviceId": 5, "data": {} }));
    assert!(balena.device().reboot(None).await.unwrap_err().is_config());
}

#[test]
fn actions_can_be_sent_from_any_task() {
    fn is_send<T: Send + 'static>(_: T) {}
    let (balena, _) = balena([]);
    is_send(balena.device().reboot(5));
    is_send(balena.device().service_var().get(5, 6, "A"));
    is_send(balena.device().history().get_all_by_device(5));
}
