//! What an answer says nothing of is no fact: a call that tells one thing of a row fails when the row lacks it.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::Arc;

use balena_agent::transport::{Body, BoxFuture, Request, Response, Transport, TransportError};
use balena_agent::{Balena, Result, RetryPolicy, Settings};
use futures_util::stream;
use serde_json::{Value, json};

/// Answers everything with one row.
#[derive(Debug)]
struct Cloud(Value);

impl Transport for Cloud {
    fn send(&self, _request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        let body = json!({ "d": [self.0] }).to_string();
        let body = Body::new(stream::iter([Ok(body.into_bytes().into())]));
        Box::pin(async move { Ok(http::Response::builder().status(200).body(body).unwrap()) })
    }
}

fn cloud(row: &Value) -> Balena {
    let settings = Settings { device_urls_base: Some("devices.example".into()), ..Settings::default() };
    let builder = Balena::builder().settings(settings).token("t0ken".into()).retry(RetryPolicy::never());
    builder.transport(Arc::new(Cloud(row.clone()))).build()
}

/// What a call tells, as text.
type Told = BoxFuture<'static, Result<String>>;

/// A column, a call that tells what it says, and what that is of null, where it is a fact.
type Case = (&'static str, fn(Balena) -> Told, Option<&'static str>);

macro_rules! told {
    ($balena:ident => $call:expr) => {
        |$balena: Balena| -> Told {
            Box::pin(async move {
                let told = $call.await?;
                Ok(format!("{told:?}"))
            })
        }
    };
}

#[tokio::test]
async fn a_column_that_is_not_in_the_answer_is_no_fact() {
    let row = json!({
        "id": 5, "uuid": "8deb12a58e3b6d3920db1c2b6303d1ff", "device_name": "d", "is_online": true,
        "ip_address": "10.0.0.1", "mac_address": "aa bb", "overall_progress": 5, "overall_status": "idle",
        "is_web_accessible": true, "os_version": "balenaOS 2.98.33", "os_variant": "dev",
        "supervisor_version": "14.0.0", "last_connectivity_event": "2026-01-01T00:00:00.000Z", "value": "1",
        "should_be_running__release": [{"id": 7, "commit": "c"}], "owns__release": [{"id": 7}],
        "should_track_latest_release": true, "build_log": "log", "contract": null,
        "device_config_variable": [{"value": "1"}], "belongs_to__application": [{
            "id": 3, "app_name": "a", "application_config_variable": [],
            "should_be_running__release": [{"commit": "c"}],
        }],
    });
    let cases: &[Case] = &[
        ("is_online", told!(b => b.device().is_online(5)), Some("false")),
        ("mac_address", told!(b => b.device().get_mac_address(5)), Some("[]")),
        ("is_online", told!(b => b.device().get_local_ip_address(5)), None),
        ("ip_address", told!(b => b.device().get_local_ip_address(5)), Some("[]")),
        ("device_name", told!(b => b.device().get_name(5)), None),
        ("overall_status", told!(b => b.device().get_status(5)), None),
        ("overall_progress", told!(b => b.device().get_progress(5)), Some("None")),
        ("is_web_accessible", told!(b => b.device().has_device_url(5)), Some("false")),
        ("is_web_accessible", told!(b => b.device().get_device_url(5)), None),
        (
            "should_be_running__release",
            told!(b => b.device().is_tracking_application_release(5)),
            Some("true"),
        ),
        (
            "should_be_running__release",
            told!(b => b.device().get_target_release_hash(5)),
            Some("Some(\"c\")"),
        ),
        ("belongs_to__application", told!(b => b.device().get_target_release_hash(5)), Some("Some(\"c\")")),
        ("device_config_variable", told!(b => b.device().has_lock_override(5)), Some("false")),
        ("value", told!(b => b.device().is_in_local_mode(5)), Some("false")),
        ("os_variant", told!(b => b.device().get_local_mode_support(5)), None),
        ("value", told!(b => b.device().tags().get(5, "k")), Some("None")),
        ("value", told!(b => b.device().env_var().get(5, "K")), Some("None")),
        (
            "should_track_latest_release",
            told!(b => b.application().will_track_new_releases(3)),
            Some("false"),
        ),
        (
            "should_track_latest_release",
            told!(b => b.application().is_tracking_latest_release(3)),
            Some("false"),
        ),
        (
            "should_be_running__release",
            told!(b => b.application().is_tracking_latest_release(3)),
            Some("false"),
        ),
        ("owns__release", told!(b => b.application().is_tracking_latest_release(3)), Some("true")),
        ("should_be_running__release", told!(b => b.application().get_target_release_hash(3)), Some("None")),
        ("build_log", told!(b => b.image().get_logs(5)), Some("None")),
        ("contract", told!(b => b.device_type().get_install_method("x")), Some("None")),
    ];
    for (column, ask, of_null) in cases {
        let mut lacking = row.clone();
        lacking.as_object_mut().unwrap().remove(*column);
        let error = ask(cloud(&lacking)).await.unwrap_err();
        let words = format!("the response lacks `{column}`");
        assert!(error.is_decode() && error.to_string().contains(&words), "{column}: {error}");
        assert!(error.to_string().starts_with("GET /v6/") && error.was_sent(), "{column}: {error}");
        if let Some(expected) = of_null {
            let mut null = row.clone();
            null[*column] = Value::Null;
            assert_eq!(ask(cloud(&null)).await.unwrap(), *expected, "{column}");
        }
        let told = ask(cloud(&row)).await;
        assert!(told.is_ok(), "{column}: {told:?}");
    }
}

/// Inside of what comes along, too.
#[tokio::test]
async fn a_column_of_a_row_within_is_no_fact_either() {
    let balena = cloud(&json!({"id": 3, "should_be_running__release": [{"id": 7}]}));
    let error = balena.application().get_target_release_hash(3).await.unwrap_err();
    assert!(
        error.is_decode() && error.to_string().contains("`should_be_running__release/commit`"),
        "{error}"
    );
}
