//! What a change of devices is sent for: lists of uuids, beginnings of uuids, and nothing that could be more.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use balena_agent::jiff::Timestamp;
use balena_agent::rows::Device;
use balena_agent::secrecy::SecretString;
use balena_agent::transport::{Body, BoxFuture, Request, Response, Transport, TransportError};
use balena_agent::{Balena, DeviceKey, DeviceKeys, RetryPolicy, Settings};
use futures_util::stream;
use serde_json::{Value, json};

/// Gives prepared answers in order and keeps what was asked.
#[derive(Debug, Default)]
struct Cloud {
    answers: Mutex<VecDeque<(u16, Value)>>,
    asked: Mutex<Vec<String>>,
}

impl Transport for Cloud {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        let (head, body) = request.into_parts();
        let target = head.uri.path_and_query().unwrap().as_str().replace("%20", " ");
        let body = String::from_utf8(body.to_vec()).unwrap();
        let asked = format!("{} {target} {body}", head.method).trim_end().to_owned();
        self.asked.lock().unwrap().push(asked);
        let (status, answer) = self.answers.lock().unwrap().pop_front().expect("a request too many");
        let body = Body::new(stream::iter([Ok(answer.to_string().into())]));
        Box::pin(async move { Ok(http::Response::builder().status(status).body(body).unwrap()) })
    }
}

fn client(answers: impl IntoIterator<Item = (u16, Value)>) -> (Balena, Arc<Cloud>) {
    let cloud = Arc::new(Cloud { answers: Mutex::new(answers.into_iter().collect()), ..Cloud::default() });
    let balena = Balena::builder()
        .retry(RetryPolicy::never())
        .token(SecretString::from("token"))
        .transport(cloud.clone())
        .build();
    (balena, cloud)
}

fn uuid(number: usize) -> String {
    format!("{number:032x}")
}

fn rows(numbers: impl IntoIterator<Item = usize>) -> (u16, Value) {
    let rows: Vec<Value> =
        numbers.into_iter().map(|number| json!({ "id": 1000 + number, "uuid": uuid(number) })).collect();
    (200, json!({ "d": rows }))
}

fn done() -> (u16, Value) {
    (200, json!("OK"))
}

#[tokio::test]
async fn uuids_are_looked_up_by_fifty_and_changed_by_two_hundred() {
    let answers =
        [rows(0..50), rows(50..100), rows(100..150), rows(150..200), rows(200..201), done(), done()];
    let (balena, cloud) = client(answers);
    let uuids: Vec<String> = (0..201).map(uuid).collect();
    balena.device().set_note(uuids, "n").await.unwrap();
    let asked = cloud.asked.lock().unwrap();
    assert_eq!(asked.len(), 7);
    assert_eq!(
        asked[4],
        format!("GET /v6/device?$select=id,uuid&$filter=uuid in ('{}')&$orderby=device_name asc", uuid(200))
    );
    assert_eq!(asked[5].matches(", ").count(), 199);
    assert_eq!(asked[6], r#"PATCH /v6/device?$filter=id in (1200) {"note":"n"}"#);
}

#[tokio::test]
async fn nothing_is_changed_when_one_of_the_uuids_is_not_there_or_there_twice() {
    let uuids = || [uuid(1), uuid(2), uuid(3)];
    let (balena, cloud) = client([rows([1, 3])]);
    let error = balena.device().remove(uuids()).await.unwrap_err();
    assert!(error.is_not_found() && error.to_string().contains(&uuid(2)), "{error}");
    assert_eq!(cloud.asked.lock().unwrap().len(), 1);

    let (balena, _) = client([rows([1, 2, 3, 2])]);
    assert!(balena.device().remove(uuids()).await.unwrap_err().is_ambiguous());
}

#[tokio::test]
async fn a_later_part_that_fails_says_what_is_done() {
    let (balena, _) = client([done(), done(), (500, json!(""))]);
    let ids: Vec<i64> = (1..=401).collect();
    let error = balena.device().deactivate(&*ids).await.unwrap_err();
    assert!(error.is_server() && error.to_string().contains("the first 400 devices"), "{error}");
}

#[tokio::test]
async fn what_could_be_more_than_one_device_is_not_sent() {
    let (balena, cloud) = client([]);
    let device = balena.device();
    let lists: Vec<DeviceKeys> = vec![
        "".into(),
        " ".into(),
        "8deb1".into(),
        0.into(),
        [""].into(),
        ["8deb12a5"].into(),
        vec![DeviceKey::from(5), DeviceKey::from(uuid(1))].into(),
        [1, 0].into(),
        (&Device::default()).into(),
    ];
    for keys in lists {
        let error = device.remove(keys.clone()).await.unwrap_err();
        assert!(error.is_invalid_argument() && !error.was_sent(), "{keys:?}: {error}");
    }
    device.remove(Vec::<i64>::new()).await.unwrap();
    assert!(device.rename("8deb", "x").await.unwrap_err().is_invalid_argument());
    assert!(device.move_to("8deb", 5).await.unwrap_err().is_invalid_argument());
    assert!(device.pin_to_release(5, "").await.unwrap_err().is_invalid_argument());
    assert!(device.set_supervisor_release(5, "").await.unwrap_err().is_invalid_argument());
    assert!(device.get_by_name("").await.unwrap_err().is_invalid_argument());
    assert!(device.register(5, "").await.unwrap_err().is_invalid_argument());
    assert!(device.register("", uuid(1)).await.unwrap_err().is_invalid_argument());
    let past = Timestamp::from_second(1).unwrap();
    assert!(device.grant_support_access(5, past).await.unwrap_err().is_invalid_argument());
    assert!(cloud.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_beginning_of_a_uuid_is_looked_up_before_a_change() {
    let (balena, cloud) = client([rows([7]), done()]);
    balena.device().rename("8deb12", "x").await.unwrap();
    assert_eq!(
        *cloud.asked.lock().unwrap(),
        [
            "GET /v6/device?$select=id&$filter=startswith(uuid,'8deb12')&$top=2",
            r#"PATCH /v6/device(1007) {"device_name":"x"}"#
        ]
    );
    let (balena, _) = client([rows([7, 8])]);
    assert!(balena.device().remove("8deb12").await.unwrap_err().is_ambiguous());
    let (balena, _) = client([rows([])]);
    assert!(balena.device().remove("8deb12").await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn devices_that_cannot_run_the_code_keep_the_others_from_moving_unless_told() {
    let architecture = |slug: &str| json!([{ "id": 1, "is_of__cpu_architecture": [{ "slug": slug }] }]);
    let fleet = || (200, json!({ "d": [{ "id": 9, "is_for__device_type": architecture("aarch64") }] }));
    let row = |id: i64, slug: &str| json!({ "id": id, "is_of__device_type": architecture(slug), "belongs_to__application": { "__id": 3 } });
    let found = || (200, json!({ "d": [row(1, "aarch64"), row(2, "rpi"), row(3, "aarch64")] }));
    let (balena, cloud) = client([fleet(), found()]);
    let error = balena.device().move_to([1, 2, 3], "my/app").await.unwrap_err();
    assert!(error.is_unsupported() && error.to_string().contains("device 2 (rpi)"), "{error}");
    assert_eq!(cloud.asked.lock().unwrap().len(), 2, "nothing is moved");

    // The last answer is that of the look afterwards.
    let moved = (200, json!({ "d": [{ "id": 1 }, { "id": 3 }] }));
    let (balena, cloud) = client([fleet(), found(), done(), moved]);
    let report = balena.device().move_to([1, 2, 3], "my/app").keep_going().report().await.unwrap();
    assert_eq!((report.counts().done, report.counts().failed), (2, 1));
    assert!(report.items().nth(1).unwrap().error.unwrap().is_unsupported());
    let asked = cloud.asked.lock().unwrap();
    assert_eq!(asked[2], r#"PATCH /v6/device?$filter=id in (1, 3) {"belongs_to__application":9}"#);
}

#[tokio::test]
async fn a_device_that_is_gone_has_no_target_state() {
    let (balena, _) = client([rows([7]), (304, json!(null))]);
    assert!(balena.device().get_supervisor_target_state(7).await.unwrap_err().is_not_found());
    let missing = (500, json!("No device found to associate with the api key"));
    let (balena, _) = client([missing]);
    assert!(balena.device().generate_device_key(7).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_target_state_is_asked_for_by_its_version() {
    for version in [2, 3, 4] {
        let (balena, cloud) = client([rows([7]), (200, json!({}))]);
        balena.device().get_supervisor_target_state(1007).version(version).await.unwrap();
        let path = format!("GET /device/v{version}/{}/state", uuid(7));
        assert_eq!(cloud.asked.lock().unwrap().last(), Some(&path));
    }
}

/// The domain of the settings is used by every call that needs it, and nobody is asked.
#[tokio::test]
async fn the_domain_of_device_urls_is_a_setting() {
    let row = json!({ "uuid": uuid(7), "is_web_accessible": true });
    let cloud = Arc::new(Cloud {
        answers: Mutex::new(
            [(200, json!({ "d": [row.clone()] })), (200, json!({ "d": [row] })), (200, json!({}))].into(),
        ),
        ..Cloud::default()
    });
    let settings = Settings { device_urls_base: Some("own.example".to_owned()), ..Settings::default() };
    let balena = Balena::builder()
        .retry(RetryPolicy::never())
        .settings(settings)
        .token(SecretString::from("token"))
        .transport(cloud.clone())
        .build();
    let url = balena.device().get_device_url(1007).await.unwrap();
    assert_eq!(url, format!("https://{}.own.example", uuid(7)));
    balena.device().get_os_update_status(1007).await.unwrap();
    let asked = cloud.asked.lock().unwrap();
    assert!(asked.len() == 3 && asked.iter().all(|call| !call.contains("/config")), "{asked:?}");
}

#[test]
fn the_dashboard_is_beside_the_api() {
    let url = |settings: Settings| {
        Balena::builder().settings(settings).build().device().get_dashboard_url("8deb12a5")
    };
    let own = |address: &str| Settings { api_endpoint: Some(address.to_owned()), ..Settings::default() };
    for (settings, expected) in [
        (Settings::default(), "https://dashboard.balena-cloud.com"),
        (own("https://api.fleet.example.com:8443/"), "https://dashboard.fleet.example.com:8443"),
        (own("http://rapid-api.example.com"), "https://dashboard.balena-cloud.com"),
    ] {
        assert_eq!(url(settings).unwrap(), format!("{expected}/devices/8deb12a5/summary"));
    }
    assert!(Balena::builder().build().device().get_dashboard_url("").unwrap_err().is_invalid_argument());
}
