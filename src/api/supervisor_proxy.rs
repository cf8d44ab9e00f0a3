//! Supervisor calls that the API forwards to devices: `POST /supervisor/…`.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::core::{Core, EndpointRequest};
use crate::error::{Error, ErrorKind, Result};
use crate::http::{BufferedResponse, RequestSemantics, StatusPolicy, error_message, single_line};
use crate::json;
use crate::supervisor::{Force, explain_lock, tells_lock};

use crate::resource::json_request::decode_error;

/// Default timeout of an attempt: the device works, and two networks lie between.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A supervisor call to forward.
#[derive(Debug)]
pub(crate) struct ProxiedCall {
    /// Path of the supervisor's endpoint.
    pub(crate) path: String,
    /// Selects the devices (`deviceId`, `uuid`, `appId`), and holds the request to them (`method`, `data`).
    pub(crate) body: Value,
    /// Whether it is idempotent.
    pub(crate) idempotent: bool,
    /// Timeout of each attempt.
    pub(crate) deadline: Option<Duration>,
    /// Whether it overrides update locks.
    pub(crate) force: Force,
}

impl Core {
    /// Forwards a call. Success means that each device that received it accepted it.
    pub(crate) async fn send_proxied(&self, passed: ProxiedCall) -> Result<BufferedResponse> {
        let semantics =
            if passed.idempotent { RequestSemantics::Idempotent } else { RequestSemantics::NonIdempotent };
        let force = passed.force;
        let plain = EndpointRequest {
            idempotent: passed.idempotent,
            timeout: Some(passed.deadline.unwrap_or(DEADLINE)),
            status_policy: StatusPolicy::DeviceProxy,
            ..EndpointRequest::new(Method::POST, format!("/supervisor{}", passed.path), Some(passed.body))
        };
        let response = self.send(plain).await.map_err(|error| explain_lock_error(error, force))?;
        if response.status == 207 { combined_response(response, semantics, force) } else { Ok(response) }
    }
}

/// Evaluates the response to an action: a success for several devices only means that all answered, and one for a
/// single device may contain a failure.
pub(crate) fn action_result(response: BufferedResponse, force: Force) -> Result<()> {
    let is_list = response.body.trim_ascii_start().first() == Some(&b'[');
    let response =
        if is_list { combined_response(response, RequestSemantics::NonIdempotent, force)? } else { response };
    let answer: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    match answer.get("Error").and_then(Value::as_str) {
        None | Some("") => Ok(()),
        Some(told) => Err(Error::new(ErrorKind::Rejected, told.to_owned())
            .with_operation(response.operation)
            .with_status(response.status)
            .with_body(told.to_owned())
            .with_sent(true)),
    }
}

/// The response of one of several devices.
#[derive(Deserialize)]
struct DeviceResponse {
    #[serde(rename = "statusCode")]
    status: u16,
    #[serde(default)]
    body: Value,
}

impl DeviceResponse {
    fn text(&self) -> Bytes {
        match &self.body {
            Value::Null => Bytes::new(),
            Value::String(text) => text.clone().into(),
            other => other.to_string().into(),
        }
    }

    /// Returns the device's error: an error status, or an error inside a success.
    fn refusal(&self, semantics: RequestSemantics) -> Option<Error> {
        let text = self.text();
        if !(200..300).contains(&self.status) {
            return Some(StatusPolicy::DeviceProxy.error(self.status, error_message(&text), semantics));
        }
        let answer: Value = serde_json::from_slice(&text).ok()?;
        let told = answer.get("Error")?.as_str().filter(|told| !told.is_empty())?;
        let line = format!("status {}: {}", self.status, single_line(told));
        let error = Error::new(ErrorKind::Rejected, line).with_status(self.status).with_body(told.to_owned());
        Some(error.with_sent(true))
    }
}

/// Merges the responses of several devices into one: the first, or if any device refused, an error with the number
/// of those that did.
fn combined_response(
    response: BufferedResponse,
    semantics: RequestSemantics,
    force: Force,
) -> Result<BufferedResponse> {
    let parts: Vec<DeviceResponse> =
        json::decode(&response.body).map_err(|cause| decode_error(&response, &cause))?;
    let mut refused = parts.iter().filter_map(|part| part.refusal(semantics));
    if let Some(error) = refused.next() {
        let error = match (parts.len(), refused.count() + 1) {
            (1, _) => error,
            (all, refused) => {
                error.with_prefix(format_args!("{refused} of {all} devices refused, the first with "))
            }
        };
        return Err(explain_lock_error(error.with_operation(response.operation), force));
    }
    match parts.first() {
        Some(part) => Ok(BufferedResponse { status: part.status, body: part.text(), ..response }),
        None => Err(Error::new(ErrorKind::DeviceOffline, "no device received it")
            .with_operation(response.operation)
            .with_status(response.status)
            .with_sent(true)),
    }
}

/// Adds the meaning of a refusal to the error.
fn explain_lock_error(error: Error, force: Force) -> Error {
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

    fn parts(body: &'static str) -> Result<BufferedResponse> {
        let response = BufferedResponse {
            operation: "POST /supervisor/v1/reboot".into(),
            status: 207,
            headers: http::HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
            token: None,
        };
        combined_response(response, RequestSemantics::NonIdempotent, Force::Given)
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
