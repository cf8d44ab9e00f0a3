//! One call to the service: the request, its attempts, and what its status means.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::error::{BODY_LIMIT, Error, ErrorKind, LockHolder, Result, truncate};
use crate::http::Transport as _;

use super::Client;

/// Deadline of a call with all its attempts.
const DEADLINE: Duration = Duration::from_secs(10);
/// Attempts of an idempotent call whose connection is closed before a response, and the pause between two attempts: a
/// service under load may close a connection before it answers.
const MAX_ATTEMPTS: u32 = 15;
const RETRY_DELAY: Duration = Duration::from_millis(200);
/// Longest response, in bytes.
const RESPONSE_LIMIT: usize = 4 * 1024 * 1024;

const IS_IT_RUNNING: &str = "is `balena-agent run` running, and is this its address (AGENT_LISTEN)?";

/// A request to the service.
#[derive(Debug)]
pub(super) struct Call<'a> {
    method: Method,
    path: Cow<'a, str>,
    body: Option<Value>,
    deadline: Duration,
    idempotency_key: Option<&'a str>,
    repetition: Repetition,
    /// A status that is an answer although it is not a success.
    accepted: Option<u16>,
}

/// What a second request does that is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repetition {
    /// What the method says: nothing more, unless it is `POST`.
    AsTheMethod,
    /// Nothing more.
    Harmless,
}

impl<'a> Call<'a> {
    pub(super) fn new(method: Method, path: impl Into<Cow<'a, str>>) -> Self {
        Self {
            method,
            path: path.into(),
            body: None,
            deadline: DEADLINE,
            idempotency_key: None,
            repetition: Repetition::AsTheMethod,
            accepted: None,
        }
    }

    pub(super) fn get(path: impl Into<Cow<'a, str>>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(super) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    pub(super) fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    pub(super) fn idempotency_key(mut self, key: &'a str) -> Self {
        self.idempotency_key = Some(key);
        self
    }

    /// Marks a `POST` that may be sent twice.
    pub(super) fn repeatable(mut self) -> Self {
        self.repetition = Repetition::Harmless;
        self
    }

    /// Takes the body of a response with this status as the answer.
    pub(super) fn accepts(mut self, status: u16) -> Self {
        self.accepted = Some(status);
        self
    }

    /// Method and path without query.
    fn operation(&self) -> String {
        format!("{} {}", self.method, self.path.split('?').next().unwrap_or_default())
    }

    fn is_idempotent(&self) -> bool {
        self.method != Method::POST
            || self.idempotency_key.is_some()
            || self.repetition == Repetition::Harmless
    }
}

/// A response with any status.
#[derive(Debug)]
pub(super) struct RawResponse {
    pub(super) status: u16,
    pub(super) json: Option<Value>,
}

impl Client {
    /// Sends a call and decodes the body of a success.
    pub(super) async fn call<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T> {
        let operation = call.operation();
        let response = self.send(&call).await?;
        if !(200..300).contains(&response.status) && call.accepted != Some(response.status) {
            return Err(self.refused(&operation, &response));
        }
        let body = response.json.unwrap_or(Value::Null);
        T::deserialize(body).map_err(|cause| self.not_ours(&operation, &cause).with_status(response.status))
    }

    /// Sends a call and returns the response, whatever its status.
    pub(super) async fn send(&self, call: &Call<'_>) -> Result<RawResponse> {
        timeout(call.deadline, self.attempts(call)).await.unwrap_or_else(|_| Err(self.too_late(call)))
    }

    async fn attempts(&self, call: &Call<'_>) -> Result<RawResponse> {
        let mut attempts = 1;
        loop {
            match self.attempt(call).await {
                Err(error)
                    if attempts < MAX_ATTEMPTS
                        && call.is_idempotent()
                        && error.is_unreachable()
                        && error.was_sent() =>
                {
                    attempts += 1;
                    sleep(RETRY_DELAY).await;
                }
                result => return result.map_err(|error| error.with_attempts(attempts)),
            }
        }
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<RawResponse> {
        let operation = call.operation();
        let mut request = http::Request::builder()
            .method(call.method.clone())
            .uri(call.path.as_ref())
            .header(header::HOST, self.address.host());
        if let Some(value) = self.credential.header()? {
            request = request.header(header::AUTHORIZATION, value);
        }
        if let Some(key) = call.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        let body = match &call.body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        let request = request.body(body).map_err(|cause| {
            Error::new(ErrorKind::InvalidArgument, format!("this can't be sent ({cause})"))
                .with_operation(operation.clone())
        })?;
        let response = self.transport.send(request).await.map_err(|cause| match cause {
            cause if cause.is_garbled() => self.not_ours(&operation, &cause),
            cause if cause.sent && !call.is_idempotent() => self.unknown_outcome(&operation, &cause),
            // Also if nothing was sent: a busy service closes connections at once.
            cause if cause.is_closed() && call.is_idempotent() => self.cut_off(&operation, &cause),
            cause => self.unreachable(&operation, &cause),
        })?;
        let status = response.status().as_u16();
        let body = response.into_body().collect_truncated(RESPONSE_LIMIT).await;
        Ok(RawResponse { status, json: serde_json::from_slice(&body).ok() })
    }

    /// The error of a response whose status is not a success.
    pub(super) fn refused(&self, operation: &str, response: &RawResponse) -> Error {
        let status = response.status;
        let word = |name: &str| response.json.as_ref()?.get(name)?.as_str();
        let Some(said) = word("error") else {
            return self.not_ours(operation, &format_args!("status {status}")).with_status(status);
        };
        let kind = match status {
            400 | 411 | 413 | 415 | 422 => ErrorKind::InvalidArgument,
            401 | 403 => ErrorKind::Unauthorized,
            404 => ErrorKind::NotFound,
            409 => ErrorKind::Conflict,
            423 => ErrorKind::Locked,
            429 => ErrorKind::RateLimited,
            501 => ErrorKind::Unsupported,
            507 => ErrorKind::Io,
            500.. => ErrorKind::Server,
            _ => ErrorKind::Rejected,
        };
        let mut body = response.json.as_ref().map(Value::to_string).unwrap_or_default();
        truncate(&mut body, BODY_LIMIT);
        let error = Error::new(kind, format!("{said} ({status})"))
            .with_operation(operation.to_owned())
            .with_status(status)
            .with_body(body)
            .with_sent(true)
            .with_lock_holder(word("holder").map(|holder| LockHolder::Process(holder.to_owned())));
        match word("help") {
            Some(help) => error.with_help(help.to_owned()),
            None => error,
        }
    }

    pub(super) fn unreachable(&self, operation: &str, why: &dyn fmt::Display) -> Error {
        Error::new(ErrorKind::Unreachable, format!("can't reach the service at {} ({why})", self.address))
            .with_operation(operation.to_owned())
            .with_help(IS_IT_RUNNING)
    }

    fn unknown_outcome(&self, operation: &str, why: &dyn fmt::Display) -> Error {
        let text = format!("the server at {} closed the connection before a response ({why})", self.address);
        Error::new(ErrorKind::UnknownOutcome, text)
            .with_operation(operation.to_owned())
            .with_sent(true)
            .with_help("it may have taken effect: check the state before you send it again")
    }

    pub(super) fn cut_off(&self, operation: &str, why: &dyn fmt::Display) -> Error {
        let text = format!("the server at {} closed the connection before a response ({why})", self.address);
        Error::new(ErrorKind::Unreachable, text)
            .with_operation(operation.to_owned())
            .with_sent(true)
            .with_help("the service is stopping, has too many clients, or is not balena-agent; try again")
    }

    pub(super) fn not_ours(&self, operation: &str, why: &dyn fmt::Display) -> Error {
        Error::new(ErrorKind::Decode, format!("the server at {} is not balena-agent ({why})", self.address))
            .with_operation(operation.to_owned())
            .with_sent(true)
            .with_help(IS_IT_RUNNING)
    }

    pub(super) fn too_late_after(&self, operation: &str, deadline: Duration) -> Error {
        let text = format!("no response from {} within {} s", self.address, deadline.as_secs());
        Error::new(ErrorKind::Timeout, text)
            .with_operation(operation.to_owned())
            .with_sent(true)
            .with_help("the service is stuck or the device is very busy; restart it if this persists")
    }

    fn too_late(&self, call: &Call<'_>) -> Error {
        let error = self.too_late_after(&call.operation(), call.deadline);
        if call.is_idempotent() { error } else { error.with_kind(ErrorKind::UnknownOutcome) }
    }
}
