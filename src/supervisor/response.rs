//! Responses, and their conversion to a value or an error (reference sections 3, 7.5 and 8).

use std::borrow::Cow;
use std::fmt::Write as _;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{BODY_LIMIT, Error, ErrorKind, Result, truncate};
use crate::http::{
    Body, GatewayError, body_excerpt, gateway_error, html_page_description, kind_of_status, single_line,
    status_and_message,
};
use crate::json;

use super::client::Supervisor;
use super::endpoint::Endpoint;
use super::lock_rejection::{self, Force};
use super::redact::redact;

/// Number of bytes of an unreadable response that are searched for the key before its beginning is quoted.
const REDACTED_EXCERPT: usize = 4096;

/// Help for an error after which it is not known whether a change took effect.
pub(super) const LOOK: &str = "it may have taken effect, and may have restarted this container: check the state before you send it again";

/// A buffered response.
pub(crate) struct SupervisorResponse {
    pub(crate) supervisor: Supervisor,
    pub(crate) endpoint: &'static Endpoint,
    /// Method and path without query, e.g. `GET /v1/device`.
    pub(crate) operation: String,
    pub(crate) status: u16,
    /// Whether the content type is `text/html`. It matters in one place: [`Self::is_out_of_scope`].
    pub(crate) is_html: bool,
    /// Whether the request overrode locks, or could have.
    pub(crate) force: Force,
    pub(crate) body: Bytes,
}

impl SupervisorResponse {
    /// Parses the body as a JSON object of type `T`; unknown fields are ignored.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T> {
        // serde would read a list as the fields of a struct.
        if self.body.trim_ascii_start().first().is_some_and(|byte| *byte != b'{') {
            return Err(self.decode_failure("a JSON object was expected"));
        }
        json::decode(&self.body).map_err(|misfit| self.decode_error(&misfit))
    }

    fn decode_error(&self, misfit: &json::DecodeError) -> Error {
        // serde's message may quote a value.
        let why = if self.endpoint.has_secrets { "not as expected" } else { &misfit.reason };
        match misfit.path.as_str() {
            "" => self.decode_failure(why),
            path => self.decode_failure(format_args!("at {path}: {why}")),
        }
    }

    /// Returns the error for a success status with an unexpected body.
    pub(crate) fn decode_failure(&self, why: impl std::fmt::Display) -> Error {
        let mut message = format!("status {} with an invalid response: {why}", self.status);
        if self.body.is_empty() {
            message = format!("status {} with an empty response", self.status);
        } else if !self.endpoint.has_secrets {
            let head = self.body.get(..REDACTED_EXCERPT).unwrap_or(&self.body);
            let head = self.redacted(String::from_utf8_lossy(head));
            let _ = write!(message, "; {}", body_excerpt(head.as_bytes()));
        }
        Error::new(ErrorKind::Decode, self.redacted(message.into()).into_owned())
            .with_operation(self.operation.clone())
            .with_status(self.status)
            .with_sent(true)
            .with_help("check BALENA_SUPERVISOR_ADDRESS with `balena-agent doctor`")
    }

    /// Checks a response whose body has no value, except that it must not be another server's HTML page.
    pub(crate) fn expect_no_page(&self) -> Result<()> {
        if html_page_description(&self.body).is_some() || self.body.trim_ascii_start().first() == Some(&b'<')
        {
            return Err(self.decode_failure("an HTML page instead of a response of the supervisor"));
        }
        Ok(())
    }

    /// Returns the error for a failure that is reported with a success status.
    pub(crate) fn error_in_success(&self, words: &str) -> Error {
        let mut words = self.redacted(words.into()).into_owned();
        truncate(&mut words, BODY_LIMIT);
        Error::new(ErrorKind::Rejected, status_and_message(self.status, &words))
            .with_operation(self.operation.clone())
            .with_status(self.status)
            .with_body(words)
            .with_sent(true)
    }

    fn redacted<'a>(&self, text: Cow<'a, str>) -> Cow<'a, str> {
        redact(text, self.supervisor.secret())
    }

    /// Returns the body as text, whatever the content type (§1: dispatch on status and endpoint).
    pub(crate) fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// Returns the server's error message (§7.5 rule 4): JSON `message`, else JSON `Error`, else the text.
    fn message(&self) -> String {
        let parsed: Option<Value> = serde_json::from_slice(&self.body).ok();
        let field = |name: &str| parsed.as_ref()?.get(name)?.as_str().map(str::to_owned);
        let words = field("message").or_else(|| field("Error"));
        let mut words = words.unwrap_or_else(|| self.text().trim().to_owned());
        if let Cow::Owned(clean) = self.redacted(Cow::Borrowed(&words)) {
            words = clean;
        }
        truncate(&mut words, BODY_LIMIT);
        words
    }

    /// Returns the error for a status that is not a success.
    pub(crate) fn error(&self) -> Error {
        let words = self.message();
        let kind = self.classify(&words);
        let status = self.status;
        let mut said = single_line(&words);
        if !said.is_empty() {
            said.insert_str(0, ": ");
        }
        let message = match kind {
            ErrorKind::Locked => format!("locked ({status}){said}"),
            ErrorKind::Unauthorized => format!("refused the key ({status}){said}"),
            ErrorKind::NotFound if self.lacks_image(&words) => {
                format!(
                    "the image of the service's next release is not on the device yet ({status}, no text)"
                )
            }
            ErrorKind::NotFound => format!("not found ({status}){said}"),
            ErrorKind::Unsupported => format!("this supervisor does not have it ({status})"),
            ErrorKind::Unreachable => {
                format!("the supervisor is down ({status} from a proxy in front of it){said}")
            }
            ErrorKind::UnknownOutcome => {
                format!("the supervisor sent no response ({status} from a proxy in front of it){said}")
            }
            _ => format!("status {status}{said}"),
        };
        let error = Error::new(kind, message)
            .with_operation(self.operation.clone())
            .with_status(status)
            .with_body(words)
            .with_sent(true);
        self.advise(error)
    }

    fn classify(&self, words: &str) -> ErrorKind {
        if self.endpoint.takes_locks && lock_rejection::is_lock_error(self.status, words) {
            return ErrorKind::Locked;
        }
        // Only a proxy in front sends these: the supervisor behind it is down, or ended during the call (§1.1).
        match gateway_error(self.endpoint.retryability.semantics(), self.status, words) {
            Some(GatewayError::Unknown) => return ErrorKind::UnknownOutcome,
            Some(GatewayError::NotForwarded) => return ErrorKind::Unreachable,
            Some(GatewayError::NoResponse) if self.status == 502 => return ErrorKind::Unreachable,
            Some(GatewayError::NoResponse) | None => {}
        }
        // Missing objects: service actions answer 404, the per-app state 409 (also if out of scope), container ids
        // 503.
        let is_absent = self.endpoint.not_found_status == Some(self.status)
            && (self.status != 503 || words.contains("Could not find service"));
        if is_absent { ErrorKind::NotFound } else { kind_of_status(self.status, words) }
    }

    /// Returns whether the engine had no image to start the service from. The supervisor passes the engine's 404 on
    /// with an empty body; its own 404s have a text.
    fn lacks_image(&self, words: &str) -> bool {
        self.endpoint.needs_image && self.status == 404 && words.is_empty()
    }

    /// Returns whether the key is valid but does not cover the application. v2 endpoints say so in JSON (§3.4).
    /// `/v1/apps/…` sends a text labelled as HTML; for an unknown key the text is labelled as plain text.
    fn is_out_of_scope(&self) -> bool {
        match self.body.trim_ascii_start().first() {
            Some(b'{') => true,
            Some(b'<') => false,
            _ => self.endpoint.scope_error_is_html && self.is_html,
        }
    }

    fn advise(&self, error: Error) -> Error {
        match error.kind() {
            ErrorKind::Locked => lock_rejection::explain(error, self.force),
            ErrorKind::Unauthorized if self.is_out_of_scope() => error.out_of_scope().with_help(
                "the key is valid, but not for this application: a container's key covers its own application only",
            ),
            ErrorKind::Unauthorized => error.with_help(
                "BALENA_SUPERVISOR_API_KEY is not the key that the supervisor knows: it may have been regenerated. \
                 Then the container must be recreated; check with `balena-agent doctor`",
            ),
            ErrorKind::Unsupported => {
                error.with_help(format!("it needs supervisor {} or later; update the supervisor", self.endpoint.since))
            }
            ErrorKind::Unreachable if self.endpoint.retryability.changes() => {
                error.with_help("it may be restarting; check the state before you send this again")
            }
            ErrorKind::UnknownOutcome => error.with_help(LOOK),
            ErrorKind::Unreachable => error.with_help("it may be restarting; try again, or set `.patience()` on the call"),
            ErrorKind::NotFound if self.lacks_image(error.body().unwrap_or_default()) => {
                error.with_help(if self.endpoint.takes_locks {
                    "the old container is removed: the supervisor creates a new one after the download"
                } else {
                    "nothing is changed: the supervisor starts the service after the download"
                })
            }
            ErrorKind::NotFound => error.with_help(
                "`balena-agent supervisor applications` lists the applications and services that the key covers",
            ),
            _ => error,
        }
    }
}

/// Converts a buffered response to the value.
pub(crate) type Decoder<T> = fn(SupervisorResponse) -> Result<T>;

/// Reads a response whose status is all that matters.
#[expect(clippy::needless_pass_by_value, reason = "the shape of every reader")]
pub(super) fn done(answer: SupervisorResponse) -> Result<()> {
    answer.expect_no_page()
}

/// Reads a response `{"Data": …, "Error": …}`: an error inside a success status is an error.
#[expect(clippy::needless_pass_by_value, reason = "the shape of every reader")]
pub(super) fn data_or_error(answer: SupervisorResponse) -> Result<()> {
    let said: Option<Value> = serde_json::from_slice(&answer.body).ok();
    match said.as_ref().and_then(|said| said.get("Error")?.as_str()) {
        Some(words) if !words.is_empty() => Err(answer.error_in_success(words)),
        _ => answer.expect_no_page(),
    }
}

/// A streaming response: the head was received, the body was not.
#[derive(Debug)]
pub(crate) struct StreamingResponse {
    pub(crate) operation: String,
    pub(super) body: Body,
}

impl StreamingResponse {
    /// Returns the next chunk of the body, `None` at its end.
    ///
    /// # Errors
    /// `is_unreachable` if the connection breaks.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        self.body.poll_next(cx).map_err(|error| {
            Error::new(ErrorKind::Unreachable, format!("the stream broke ({error})"))
                .with_operation(self.operation.clone())
                .with_sent(true)
                .with_source(error)
                .with_help("the supervisor restarted or was stopped; open the stream again")
        })
    }
}

/// Returns the error for a call without a response within its deadline; `sent` if any of it may have been sent.
pub(crate) fn timeout_error(endpoint: &Endpoint, operation: String, deadline: Duration, sent: bool) -> Error {
    let missing = if sent { "response" } else { "connection" };
    let error = Error::new(ErrorKind::Timeout, format!("no {missing} within {deadline:?}"))
        .with_operation(operation)
        .with_sent(sent);
    if sent && endpoint.retryability.changes() {
        error.with_help("it may still take effect: check the state before you send it again")
    } else {
        error.with_help(
            "the supervisor is busy or stuck; try again, or set a longer `.deadline()` on the call",
        )
    }
}
