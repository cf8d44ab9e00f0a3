//! Supervisor calls that the API forwards to devices: `POST /supervisor/…`.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::core::{Core, Plain};
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Effect, Refusals, Reply, line, words};
use crate::json;
use crate::supervisor::{Force, explain_lock, tells_lock};

use super::answer::unreadable;

/// Default timeout of an attempt: the device works, and two networks lie between.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A supervisor call to forward.
#[derive(Debug)]
pub(crate) struct Passed {
    /// Path of the supervisor's endpoint.
    pub(crate) path: String,
    /// Selects the devices (`deviceId`, `uuid`, `appId`), and holds the request to them (`method`, `data`).
    pub(crate) body: Value,
    /// Whether it is idempotent.
    pub(crate) repeatable: bool,
    /// Timeout of each attempt.
    pub(crate) deadline: Option<Duration>,
    /// Whether it overrides update locks.
    pub(crate) force: Force,
}

impl Core {
    /// Forwards a call. Success means that each device that received it accepted it.
    pub(crate) async fn pass_on(&self, passed: Passed) -> Result<Reply> {
        let effect = if passed.repeatable { Effect::Repeatable } else { Effect::Change };
        let force = passed.force;
        let plain = Plain {
            repeatable: passed.repeatable,
            timeout: Some(passed.deadline.unwrap_or(DEADLINE)),
            refusals: Refusals::OfADevice,
            ..Plain::post(Method::POST, format!("/supervisor{}", passed.path), Some(passed.body))
        };
        let reply = self.plain(plain).await.map_err(|error| understood(error, force))?;
        if reply.status == 207 { of_parts(reply, effect, force) } else { Ok(reply) }
    }
}

/// Evaluates the response to an action: a success for several devices only means that all answered, and one for a
/// single device may contain a failure.
pub(crate) fn judged(reply: Reply, force: Force) -> Result<()> {
    let is_list = reply.body.trim_ascii_start().first() == Some(&b'[');
    let reply = if is_list { of_parts(reply, Effect::Change, force)? } else { reply };
    let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    match answer.get("Error").and_then(Value::as_str) {
        None | Some("") => Ok(()),
        Some(told) => Err(Error::new(ErrorKind::Rejected, told.to_owned())
            .operation(reply.operation)
            .with_status(reply.status)
            .with_body(told.to_owned())
            .sent(true)),
    }
}

/// The response of one of several devices.
#[derive(Deserialize)]
struct Part {
    #[serde(rename = "statusCode")]
    status: u16,
    #[serde(default)]
    body: Value,
}

impl Part {
    fn text(&self) -> Bytes {
        match &self.body {
            Value::Null => Bytes::new(),
            Value::String(text) => text.clone().into(),
            other => other.to_string().into(),
        }
    }

    /// Returns the device's error: an error status, or an error inside a success.
    fn refusal(&self, effect: Effect) -> Option<Error> {
        let text = self.text();
        if !(200..300).contains(&self.status) {
            return Some(Refusals::OfADevice.error(self.status, words(&text), effect));
        }
        let answer: Value = serde_json::from_slice(&text).ok()?;
        let told = answer.get("Error")?.as_str().filter(|told| !told.is_empty())?;
        let line = format!("status {}: {}", self.status, line(told));
        let error = Error::new(ErrorKind::Rejected, line).with_status(self.status).with_body(told.to_owned());
        Some(error.sent(true))
    }
}

/// Merges the responses of several devices into one: the first, or if any device refused, an error with the number
/// of those that did.
fn of_parts(reply: Reply, effect: Effect, force: Force) -> Result<Reply> {
    let parts: Vec<Part> = json::decode(&reply.body).map_err(|misfit| unreadable(&reply, &misfit))?;
    let mut refused = parts.iter().filter_map(|part| part.refusal(effect));
    if let Some(error) = refused.next() {
        let error = match (parts.len(), refused.count() + 1) {
            (1, _) => error,
            (all, refused) => {
                error.preceded_by(format_args!("{refused} of {all} devices refused, the first with "))
            }
        };
        return Err(understood(error.operation(reply.operation), force));
    }
    match parts.first() {
        Some(part) => Ok(Reply { status: part.status, body: part.text(), ..reply }),
        None => Err(Error::new(ErrorKind::DeviceOffline, "no device received it")
            .operation(reply.operation)
            .with_status(reply.status)
            .sent(true)),
    }
}

/// Adds the meaning of a refusal to the error.
fn understood(error: Error, force: Force) -> Error {
    let told = error.status().is_some_and(|status| tells_lock(status, error.body().unwrap_or_default()));
    match error.kind() {
        ErrorKind::Locked => explain_lock(error, force),
        _ if told => explain_lock(error.with_kind(ErrorKind::Locked), force),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(body: &'static str) -> Result<Reply> {
        let reply = Reply {
            operation: "POST /supervisor/v1/reboot".into(),
            status: 207,
            headers: http::HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
            token: None,
        };
        of_parts(reply, Effect::Change, Force::Given)
    }

    #[test]
    fn a_success_of_some_is_none() {
        let all = parts(r#"[{"statusCode":202,"body":"{\"Data\":\"OK\"}"},{"statusCode":200}]"#).unwrap();
        assert_eq!((all.status, &*all.body), (202, &br#"{"Data":"OK"}"#[..]));

        let error = parts(
            r#"[{"statusCode":202,"body":"{}"},{"statusCode":423,"body":"{\"Data\":\"\",\"Error\":\"Lockfile exists for { appId: 7, service: main }\"}"},{"statusCode":500}]"#,
        )
        .unwrap_err();
        assert!(error.is_locked() && error.lock_holder().is_some(), "{error}");
        assert!(
            error.to_string().contains("2 of 3 devices refused, the first with status 423: Lockfile"),
            "{error}"
        );

        let old = parts(
            r#"[{"statusCode":503,"body":"Updates are locked: /tmp/resin-supervisor/services/7/main/resin-updates.lock"}]"#,
        )
        .unwrap_err();
        assert!(old.is_locked() && old.lock_holder() == error.lock_holder(), "{old}");
        assert!(!old.advice().unwrap().contains("force"), "it was given: {old}");

        assert!(parts(r#"[{"statusCode":404,"body":"gone"}]"#).unwrap_err().is_device_offline());
        let told = parts(r#"[{"statusCode":200,"body":{"Data":"","Error":"no"}}]"#).unwrap_err();
        assert!(told.is_rejected() && told.to_string().ends_with("status 200: no"), "{told}");
        assert!(parts("[]").unwrap_err().is_device_offline());
        assert!(parts("OK").unwrap_err().is_decode());
    }
}
