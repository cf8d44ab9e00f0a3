//! `.confirm()` of single writes: the server's 200 says nothing of whether there was anything to change.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::{Arc, Mutex};

use balena_agent::jiff::Timestamp;
use balena_agent::transport::{Body, BoxFuture, Request, Response, Transport, TransportError};
use balena_agent::{Balena, Result, RetryPolicy, WriteRequest};
use futures_util::stream;
use serde_json::{Value, json};

/// What a cloud has of the row that a write is for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Row {
    /// It is there and is changed, or removed.
    Obeys,
    /// It is not there, or the token does not see it.
    Absent,
    /// It stays as it is.
    Stays,
}

#[derive(Debug)]
struct Cloud {
    row: Row,
    asked: Mutex<Vec<String>>,
}

impl Transport for Cloud {
    fn send(&self, request: Request) -> BoxFuture<'_, std::result::Result<Response, TransportError>> {
        let (head, body) = request.into_parts();
        let mut asked = self.asked.lock().unwrap();
        let is_written = asked.iter().any(|call| !call.starts_with("GET"));
        asked.push(format!("{} {}", head.method, head.uri.path()));
        let is_gone = is_written && asked.iter().any(|call| call.starts_with("DELETE"));
        let answer = match (head.method.as_str(), self.row) {
            ("GET", Row::Absent) if head.uri.path() != "/v6/release" => json!({ "d": [] }),
            ("GET", Row::Obeys) if is_gone => json!({ "d": [] }),
            ("GET", Row::Obeys) => json!({ "d": [{ "id": 5 }] }),
            ("GET", _) => json!({ "d": [{
                "id": 5, "app_name": "x", "note": "x", "is_final": false, "is_web_accessible": null,
                "should_track_latest_release": "x", "name": "x",
            }] }),
            _ => Value::String("OK".into()),
        };
        drop((asked, body));
        let body = Body::new(stream::iter([Ok(answer.to_string().into())]));
        Box::pin(async move { Ok(http::Response::builder().status(200).body(body).unwrap()) })
    }
}

type Call = fn(&Balena) -> WriteRequest;

/// Every noun that has such a write, by id where it takes one.
const CALLS: [(&str, Call); 14] = [
    ("application.rename", |balena| balena.application().rename(5, "n")),
    ("application.enable_device_urls", |balena| balena.application().enable_device_urls(5)),
    ("application.grant_support_access", |balena| balena.application().grant_support_access(5, far())),
    ("application.tags.remove", |balena| balena.application().tags().remove(5, "k")),
    ("application.invite.revoke", |balena| balena.application().invite().revoke(5)),
    ("application.membership.remove", |balena| balena.application().membership().remove(5)),
    ("device.tags.remove", |balena| balena.device().tags().remove(5, "k")),
    ("device.env_var.remove", |balena| balena.device().env_var().remove(5, "k")),
    ("release.set_note", |balena| balena.release().set_note(5, Some("n"))),
    ("release.finalize", |balena| balena.release().finalize(5)),
    ("organization.invite.revoke", |balena| balena.organization().invite().revoke(5)),
    ("key.remove", |balena| balena.key().remove(5)),
    ("api_key.revoke", |balena| balena.api_key().revoke(5)),
    ("team.remove", |balena| balena.team().remove(5)),
];

fn far() -> Timestamp {
    "2999-01-01T00:00:00Z".parse().unwrap()
}

async fn outcome(row: Row, call: Call, confirmed: bool) -> (Result<()>, usize) {
    let cloud = Arc::new(Cloud { row, asked: Mutex::default() });
    let token = "token".to_owned().into();
    let balena = Balena::builder().retry(RetryPolicy::never()).token(token).transport(cloud.clone()).build();
    let write = call(&balena);
    let result = if confirmed { write.confirm().await } else { write.await };
    let asked = cloud.asked.lock().unwrap().len();
    (result, asked)
}

#[tokio::test]
async fn a_write_that_is_confirmed_says_whether_it_had_an_effect() {
    for (name, call) in CALLS {
        let (plain, requests) = outcome(Row::Obeys, call, false).await;
        plain.unwrap();
        let (confirmed, more) = outcome(Row::Obeys, call, true).await;
        assert!(confirmed.is_ok(), "{name}: {confirmed:?}");
        assert!((1..=2).contains(&(more - requests)), "{name}: {requests} requests, confirmed {more}");
        for row in [Row::Absent, Row::Stays] {
            if (name, row) == ("application.grant_support_access", Row::Stays) {
                // The row that stays does not tell the column.
                continue;
            }
            let (result, _) = outcome(row, call, true).await;
            let error = result.expect_err(name);
            assert!(error.is_not_found(), "{name} {row:?}: {error}");
        }
    }
}
