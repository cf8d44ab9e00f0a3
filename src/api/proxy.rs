//! What the cloud passes on to the supervisors of devices: `POST /supervisor/…`.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::core::{Core, Plain};
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Refusals, Reply, first_line, words};
use crate::json;
use crate::supervisor::lock_holder;

use super::read::unreadable;

/// For a try, unless told otherwise: the device works, and two networks lie between.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A call that the cloud passes on.
#[derive(Debug)]
pub(crate) struct Passed {
    /// Path of the supervisor's endpoint.
    pub(crate) path: String,
    /// Which devices (`deviceId`, `uuid`, `appId`), and what to send them (`method`, `data`).
    pub(crate) body: Value,
    /// Whether it may arrive twice.
    pub(crate) repeatable: bool,
    /// For each try.
    pub(crate) deadline: Option<Duration>,
}

impl Core {
    /// Has a call passed on. Success means that each device that got it took it.
    pub(crate) async fn pass_on(&self, passed: Passed) -> Result<Reply> {
        let plain = Plain {
            repeatable: passed.repeatable,
            timeout: Some(passed.deadline.unwrap_or(DEADLINE)),
            refusals: Refusals::OfADevice,
            ..Plain::post(Method::POST, format!("/supervisor{}", passed.path), Some(passed.body))
        };
        let reply = self.plain(plain).await.map_err(understood)?;
        if reply.status == 207 { of_parts(reply) } else { Ok(reply) }
    }
}

/// An answer to an action: with several devices a success stands for "all have answered", and with one it
/// may tell a failure.
pub(crate) fn judged(reply: Reply) -> Result<()> {
    let reply = if reply.body.trim_ascii_start().first() == Some(&b'[') { of_parts(reply)? } else { reply };
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

/// One device's answer, where several were asked.
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

    /// What it refuses with: a status, or an error that is told in a success.
    fn refusal(&self) -> Option<(ErrorKind, String)> {
        let text = self.text();
        if !(200..300).contains(&self.status) {
            return Some((Refusals::OfADevice.kind(self.status), words(&text)));
        }
        let answer: Value = serde_json::from_slice(&text).ok()?;
        let told = answer.get("Error")?.as_str().filter(|told| !told.is_empty())?;
        Some((ErrorKind::Rejected, told.to_owned()))
    }
}

/// The answers of several devices in one. The first stands for all, unless one of them is a refusal: an
/// action that only some took is an error that says how many did not.
fn of_parts(reply: Reply) -> Result<Reply> {
    let parts: Vec<Part> = json::decode(&reply.body).map_err(|misfit| unreadable(&reply, &misfit))?;
    let mut refused =
        parts.iter().filter_map(|part| part.refusal().map(|(kind, words)| (kind, part.status, words)));
    if let Some((kind, status, words)) = refused.next() {
        let many = match (parts.len(), refused.count() + 1) {
            (1, _) => String::new(),
            (all, refused) => format!("{refused} of {all} devices refused, the first with "),
        };
        let line: String = first_line(&words).chars().take(300).collect();
        let said = if line.is_empty() { line } else { format!(": {line}") };
        let error = Error::new(kind, format!("{many}status {status}{said}"))
            .operation(reply.operation)
            .with_status(status)
            .with_body(words)
            .sent(true);
        return Err(understood(error));
    }
    match parts.first() {
        Some(part) => Ok(Reply { status: part.status, body: part.text(), ..reply }),
        None => Err(Error::new(ErrorKind::DeviceOffline, "no device got it")
            .operation(reply.operation)
            .with_status(reply.status)
            .sent(true)),
    }
}

/// Says what a refusal tells beyond its status.
fn understood(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Locked => {
            let holder = lock_holder(error.body().unwrap_or_default());
            error.held_by(holder).help(
                "wait until the lock is released, or override it with force if you know what it protects",
            )
        }
        // The cloud speaks: it is there, and its way to the device is not.
        ErrorKind::Server if error.status() == Some(502) => error
            .with_kind(ErrorKind::DeviceOffline)
            .help("its connection to the cloud broke; look at its state before sending this again"),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(body: &'static str) -> Result<Reply> {
        of_parts(Reply {
            operation: "POST /supervisor/v1/reboot".into(),
            status: 207,
            headers: http::HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
        })
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

        assert!(parts(r#"[{"statusCode":404,"body":"gone"}]"#).unwrap_err().is_device_offline());
        let told = parts(r#"[{"statusCode":200,"body":{"Data":"","Error":"no"}}]"#).unwrap_err();
        assert!(told.is_rejected() && told.to_string().ends_with("status 200: no"), "{told}");
        assert!(parts("[]").unwrap_err().is_device_offline());
        assert!(parts("OK").unwrap_err().is_decode());
    }
}
