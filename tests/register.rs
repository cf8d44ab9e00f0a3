//! Registering a device: with which key, and that none is left behind.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::{Arc, Mutex};

use balena_agent::jiff::{Timestamp, Unit};
use balena_agent::secrecy::ExposeSecret as _;
use balena_agent::transport::{Body, BoxFuture, Request, Response, Transport, TransportError};
use balena_agent::{ApiVersion, Balena, Builder, ErrorKind, RetryPolicy, Settings};
use futures_util::stream;
use serde_json::{Value, json};

const UUID: &str = "8deb12a58e3b6d3920db1c2b6303d1ff00112233445566778899aabbccddee";

/// A cloud with one application, which keeps the provisioning keys that were made.
#[derive(Debug)]
struct Cloud {
    /// Method, path without its first part, and token of each request.
    asked: Mutex<Vec<(String, String)>>,
    bodies: Mutex<Vec<Value>>,
    /// Names of the keys that there are.
    keys: Mutex<Vec<String>>,
    /// What fails: the beginning of a request, and the status; 0 closes the connection.
    fails: Option<(&'static str, u16)>,
}

impl Cloud {
    fn failing(fails: Option<(&'static str, u16)>) -> Arc<Self> {
        let (asked, bodies, keys) = (Mutex::default(), Mutex::default(), Mutex::default());
        Arc::new(Self { asked, bodies, keys, fails })
    }

    fn client(self: &Arc<Self>, builds: impl FnOnce(Builder) -> Builder) -> Balena {
        builds(Balena::builder().retry(RetryPolicy::never()).transport(self.clone())).build()
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(call, _)| call.clone()).collect()
    }

    fn answer(&self, call: &str, token: &str, body: &Value) -> (u16, Value) {
        let architecture =
            |slug: &str, arch: &str| json!({ "slug": slug, "is_of__cpu_architecture": [{ "slug": arch }] });
        match call {
            "GET /actor/v1/whoami" => match token {
                "session" => {
                    (200, json!({ "id": 4, "actorType": "user", "actorTypeId": 12, "username": "u" }))
                }
                "fleets-key" => (200, json!({ "id": 5, "actorType": "application", "actorTypeId": 7 })),
                _ => (401, json!("")),
            },
            "POST /api-key/v1/" | "POST /api-key/v2/" => {
                self.keys.lock().unwrap().push(body["name"].as_str().unwrap_or_default().to_owned());
                (200, json!("made-key"))
            }
            _ if call.starts_with("GET /application") && matches!(token, "session" | "fleets-key") => (
                200,
                json!({ "d": [{ "id": 7, "is_for__device_type": [architecture("raspberrypi3", "armv7hf")] }] }),
            ),
            _ if call.starts_with("GET /device_type") => {
                (200, json!({ "d": [architecture("intel-nuc", "amd64")] }))
            }
            "POST /device/register" => {
                (201, json!({ "id": 9, "uuid": body["uuid"], "api_key": "devices-key" }))
            }
            _ if call.starts_with("DELETE /api_key") => {
                self.keys.lock().unwrap().retain(|name| !call.contains(&format!("name eq '{name}'")));
                (200, json!("OK"))
            }
            _ => (200, json!({ "d": [] })),
        }
    }
}

impl Transport for Cloud {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        let (head, body) = request.into_parts();
        let target = head.uri.path_and_query().unwrap().as_str().replace("%20", " ");
        let target = target.trim_start_matches("/v6").trim_start_matches("/v7");
        let call = format!("{} {target}", head.method);
        let token = head.headers.get("authorization").map_or("", |value| value.to_str().unwrap());
        let token = token.trim_start_matches("Bearer ").to_owned();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let (status, answer) = match self.fails.filter(|(start, _)| call.starts_with(start)) {
            Some((_, status)) => (status, json!("no")),
            None => self.answer(&call, &token, &body),
        };
        self.asked.lock().unwrap().push((call, token));
        self.bodies.lock().unwrap().push(body);
        Box::pin(async move {
            if status == 0 {
                return Err(TransportError { sent: true, reused: false, cause: "broken".into() });
            }
            let body = Body::new(stream::iter([Ok(answer.to_string().into())]));
            Ok(http::Response::builder().status(status).body(body).unwrap())
        })
    }
}

#[tokio::test]
async fn the_key_that_is_made_expires_has_a_name_and_is_removed_when_the_registration_fails() {
    type Case = (Option<(&'static str, u16)>, Option<&'static str>, Option<ErrorKind>);
    let cases: [Case; 8] = [
        (None, None, None),
        (Some(("POST /device/register", 500)), None, Some(ErrorKind::Server)),
        (Some(("POST /device/register", 409)), None, Some(ErrorKind::Conflict)),
        (Some(("POST /device/register", 0)), None, Some(ErrorKind::UnknownOutcome)),
        (Some(("GET /application", 503)), None, Some(ErrorKind::Server)),
        (None, Some("intel-nuc"), Some(ErrorKind::InvalidArgument)),
        (Some(("POST /api-key/", 0)), None, Some(ErrorKind::UnknownOutcome)),
        // What can't be removed expires; the error is that of the registration.
        (Some(("DELETE /api_key", 500)), Some("intel-nuc"), Some(ErrorKind::InvalidArgument)),
    ];
    for api_version in [ApiVersion::V6, ApiVersion::V7] {
        for (fails, device_type, kind) in &cases {
            let cloud = Cloud::failing(*fails);
            let settings = Settings { api_version, ..Settings::default() };
            let balena =
                cloud.client(|builder| builder.settings(settings).token("session".to_owned().into()));
            let mut request = balena.device().register(7, UUID);
            if let Some(slug) = device_type {
                request = request.device_type(*slug);
            }
            let result = request.await;
            let shown = format!("{api_version:?} {fails:?} {device_type:?}: {result:?}");
            assert_eq!(result.as_ref().err().map(balena_agent::Error::kind), *kind, "{shown}");
            let asked = cloud.asked();
            let at = asked.iter().position(|call| call.starts_with("POST /api-key/")).unwrap();
            let made = cloud.bodies.lock().unwrap()[at].clone();
            let expiry: Timestamp = made["expiryDate"].as_str().unwrap().parse().unwrap();
            let lifetime = Timestamp::now().until(expiry).unwrap().total(Unit::Second).unwrap();
            assert!((590.0..=600.0).contains(&lifetime), "{shown}: {lifetime} s");
            assert_eq!(made["name"], UUID[..32], "{shown}");
            assert_eq!(made["description"], "Created by SDK to register a device", "{shown}");
            let removals = asked.iter().filter(|call| call.starts_with("DELETE /api_key?$filter=")).count();
            assert_eq!(removals, usize::from(kind.is_some()), "{shown}: {asked:?}");
            let stays = kind.is_none() || fails.is_some_and(|(start, _)| start.starts_with("DELETE"));
            if !fails.is_some_and(|(start, _)| start.starts_with("POST /api-key")) {
                assert_eq!(cloud.keys.lock().unwrap().len(), usize::from(stays), "{shown}");
            }
        }
    }
}

/// As the token of the client, or for this one device, whoever is logged in.
#[tokio::test]
async fn a_provisioning_key_registers_and_no_other_is_made() {
    for (token, given) in
        [(Some("fleets-key"), None), (None, Some("fleets-key")), (Some("session"), Some("fleets-key"))]
    {
        for fails in [None, Some(("POST /device/register", 409))] {
            let cloud = Cloud::failing(fails);
            let balena = cloud.client(|builder| match token {
                Some(token) => builder.token(token.to_owned().into()),
                None => builder,
            });
            let mut request = balena.device().register("org/app", UUID);
            if let Some(key) = given {
                request = request.provisioning_key(key.to_owned());
            }
            assert!(!format!("{request:?}").contains("fleets-key"));
            let result = request.await;
            assert_eq!(result.is_ok(), fails.is_none(), "{result:?}");
            if let Ok(device) = result {
                assert_eq!(device.api_key.expose_secret(), "devices-key");
            }
            let asked = cloud.asked();
            let writes: Vec<&String> = asked.iter().filter(|call| !call.starts_with("GET ")).collect();
            assert_eq!(writes, ["POST /device/register"], "{token:?} {given:?}");
            assert!(cloud.asked.lock().unwrap().iter().all(|(_, token)| token == "fleets-key"), "{asked:?}");
            let body = cloud.bodies.lock().unwrap().last().cloned().unwrap();
            assert_eq!(body, json!({ "application": 7, "uuid": UUID, "device_type": "raspberrypi3" }));
        }
    }
}

#[tokio::test]
async fn what_is_wrong_from_the_start_is_not_sent() {
    let cloud = Cloud::failing(None);
    let balena = cloud.client(|builder| builder.token("session".to_owned().into()));
    let register = |uuid: &str| balena.device().register(7, uuid);
    for request in [
        register(""),
        register(" "),
        register(UUID).device_type(""),
        register(UUID).provisioning_key(" ".to_owned()),
    ] {
        let error = request.await.unwrap_err();
        assert!(error.is_invalid_argument() && !error.was_sent(), "{error}");
    }
    assert_eq!(cloud.asked(), [""; 0]);
}

#[tokio::test]
async fn what_is_no_uuid_or_no_key_is_not_registered() {
    let upper = UUID.to_uppercase();
    let long = "a".repeat(100_000);
    for uuid in
        ["", "a", &UUID[..31], &UUID[..61], &upper, &UUID.replace('8', "g"), &format!(" {UUID}"), &long]
    {
        let cloud = Cloud::failing(None);
        let balena = cloud.client(|builder| builder.token("session".to_owned().into()));
        let error = balena.device().register(7, uuid).await.unwrap_err();
        assert!(error.is_invalid_argument() && error.to_string().contains("`uuid`"), "{error}");
        assert!(error.to_string().len() < 300 && cloud.asked().is_empty(), "{error}");
    }
    for key in ["", "two words", "\"quoted\"", "a\u{7f}b", "k\u{e9}y", "line\nbreak"] {
        let cloud = Cloud::failing(None);
        let error = cloud.client(|builder| builder).device().register(7, UUID).provisioning_key(key).await;
        let error = error.unwrap_err();
        assert!(error.is_invalid_argument() && error.to_string().contains("`provisioning_key`"), "{error}");
        assert!(cloud.asked().is_empty() && (key.is_empty() || !error.to_string().contains(key)), "{error}");
    }
    // 32 digits are a uuid too.
    let cloud = Cloud::failing(None);
    let balena = cloud.client(|builder| builder.token("session".to_owned().into()));
    balena.device().register(7, &UUID[..32]).await.unwrap();
}

/// Registers, and says that it was another device.
#[derive(Debug)]
struct Confused(Arc<Cloud>);

impl Transport for Confused {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        if request.uri().path() != "/device/register" {
            return self.0.send(request);
        }
        let answer = json!({ "id": 9, "uuid": "0".repeat(62), "api_key": "devices-key" }).to_string();
        let body = Body::new(stream::iter([Ok(answer.into())]));
        Box::pin(async move { Ok(http::Response::builder().status(201).body(body).unwrap()) })
    }
}

#[tokio::test]
async fn an_answer_for_another_device_is_an_error() {
    let cloud = Cloud::failing(None);
    let builder = Balena::builder().retry(RetryPolicy::never()).token("session".to_owned().into());
    let balena = builder.transport(Arc::new(Confused(cloud))).build();
    let error = balena.device().register(7, UUID).await.unwrap_err();
    assert!(error.is_decode() && error.was_sent() && error.to_string().contains("another device"), "{error}");
    assert!(!error.to_string().contains("devices-key") && !format!("{error:#?}").contains("devices-key"));
}
