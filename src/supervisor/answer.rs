//! From a status and a body to a value or an error (reference sections 3, 7.5 and 8).

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{BODY_LIMIT, Error, ErrorKind, Result};
use crate::http::{Gateway, beginning, line, of_gateway, of_status, page, status_and_words};
use crate::json;

use super::Supervisor;
use super::endpoint::Endpoint;
use super::locked::{self, Force};
use super::redact::redact;
use super::send::LOOK;

/// Bytes of an unreadable answer that are searched for the key before its beginning is shown.
const HEAD_SEARCHED: usize = 4096;

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) supervisor: Supervisor,
    pub(crate) endpoint: &'static Endpoint,
    /// Method and path without query, e.g. `GET /v1/device`.
    pub(crate) operation: String,
    pub(crate) status: u16,
    /// Whether the content type is `text/html`, which says something in one place only: see [`Answer::is_out_of_scope`].
    pub(crate) is_html: bool,
    /// Whether the request overrode locks.
    pub(crate) force: Force,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body as a JSON object of type `T`; unknown fields are ignored.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T> {
        // serde would read a list as the fields of a struct in their order.
        if self.body.trim_ascii_start().first().is_some_and(|byte| *byte != b'{') {
            return Err(self.unreadable("a JSON object was expected"));
        }
        json::decode(&self.body).map_err(|misfit| self.misfit(&misfit))
    }

    fn misfit(&self, misfit: &json::Misfit) -> Error {
        // serde's own words may quote a value.
        let why = if self.endpoint.bears_secrets { "not as expected" } else { &misfit.why };
        match misfit.path.as_str() {
            "" => self.unreadable(why),
            path => self.unreadable(format_args!("at {path}: {why}")),
        }
    }

    /// The error for a success status whose body is not what the contract says.
    pub(crate) fn unreadable(&self, why: impl std::fmt::Display) -> Error {
        let mut message = format!("status {} with an answer that can't be read: {why}", self.status);
        if self.body.is_empty() {
            message = format!("status {} with an empty answer", self.status);
        } else if !self.endpoint.bears_secrets {
            let head = self.body.get(..HEAD_SEARCHED).unwrap_or(&self.body);
            let head = self.clean(String::from_utf8_lossy(head));
            let _ = write!(message, "; {}", beginning(head.as_bytes()));
        }
        Error::new(ErrorKind::Decode, self.clean(message.into()).into_owned())
            .operation(self.operation.clone())
            .with_status(self.status)
            .sent(true)
            .help("is BALENA_SUPERVISOR_ADDRESS really the supervisor's? `balena-agent doctor` tells")
    }

    /// For answers whose body says nothing that matters, beyond that it is no page of some other server.
    pub(crate) fn done(&self) -> Result<()> {
        if page(&self.body).is_some() || self.body.trim_ascii_start().first() == Some(&b'<') {
            return Err(self.unreadable("a page, not a supervisor's answer"));
        }
        Ok(())
    }

    /// The error for a failure that is told with a success status.
    pub(crate) fn told(&self, words: &str) -> Error {
        let mut words = self.clean(words.into()).into_owned();
        truncate(&mut words, BODY_LIMIT);
        Error::new(ErrorKind::Rejected, status_and_words(self.status, &words))
            .operation(self.operation.clone())
            .with_status(self.status)
            .with_body(words)
            .sent(true)
    }

    fn clean<'a>(&self, text: Cow<'a, str>) -> Cow<'a, str> {
        redact(text, self.supervisor.secret())
    }

    /// Text of the body, whatever the content type says (§1: dispatch on status and endpoint).
    pub(crate) fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// The server's own words (§7.5 rule 4): JSON `message`, else JSON `Error`, else the text.
    fn words(&self) -> String {
        let parsed: Option<Value> = serde_json::from_slice(&self.body).ok();
        let field = |name: &str| parsed.as_ref()?.get(name)?.as_str().map(str::to_owned);
        let words = field("message").or_else(|| field("Error"));
        let mut words = words.unwrap_or_else(|| self.text().trim().to_owned());
        if let Cow::Owned(clean) = self.clean(Cow::Borrowed(&words)) {
            words = clean;
        }
        truncate(&mut words, BODY_LIMIT);
        words
    }

    /// The error that a refusing status stands for.
    pub(crate) fn refusal(&self) -> Error {
        let words = self.words();
        let kind = self.refusal_kind(&words);
        let status = self.status;
        let mut said = line(&words);
        if !said.is_empty() {
            said.insert_str(0, ": ");
        }
        let message = match kind {
            ErrorKind::Locked => format!("locked ({status}){said}"),
            ErrorKind::Unauthorized => format!("refused the key ({status}){said}"),
            ErrorKind::NotFound => format!("not found ({status}){said}"),
            ErrorKind::Unsupported => format!("this supervisor does not have it ({status})"),
            ErrorKind::Unreachable => {
                format!("the supervisor is not there ({status} from what stands in front){said}")
            }
            ErrorKind::UnknownOutcome => {
                format!("the supervisor gave no answer ({status} from what stands in front){said}")
            }
            _ => format!("status {status}{said}"),
        };
        let error = Error::new(kind, message)
            .operation(self.operation.clone())
            .with_status(status)
            .with_body(words)
            .sent(true);
        self.advise(error)
    }

    fn refusal_kind(&self, words: &str) -> ErrorKind {
        if self.endpoint.takes_locks && locked::is_told(self.status, words) {
            return ErrorKind::Locked;
        }
        // Only a proxy in front answers so: the supervisor behind it is down, or went down (§1.1).
        match of_gateway(self.endpoint.nature.effect(), self.status, words) {
            Some(Gateway::Unknown) => return ErrorKind::UnknownOutcome,
            Some(Gateway::NotPassedOn) => return ErrorKind::Unreachable,
            Some(Gateway::NoAnswer) if self.status == 502 => return ErrorKind::Unreachable,
            Some(Gateway::NoAnswer) | None => {}
        }
        // Service actions answer 404, the per-app state 409 (also out of scope), container ids 503.
        let is_absent = self.endpoint.absent == Some(self.status)
            && (self.status != 503 || words.contains("Could not find service"));
        if is_absent { ErrorKind::NotFound } else { of_status(self.status, words) }
    }

    /// Whether the key is known and does not cover the application. JSON says so everywhere (§3.4); on
    /// `/v1/apps/…` it is a text that is labelled as HTML, where for an unknown key it is labelled as text.
    fn is_out_of_scope(&self) -> bool {
        match self.body.trim_ascii_start().first() {
            Some(b'{') => true,
            Some(b'<') => false,
            _ => self.endpoint.tells_scope_by_type && self.is_html,
        }
    }

    fn advise(&self, error: Error) -> Error {
        match error.kind() {
            ErrorKind::Locked => locked::explain(error, self.force),
            ErrorKind::Unauthorized if self.is_out_of_scope() => error.out_of_scope().help(
                "the key is valid, but not for this application: a container's key covers its own application only",
            ),
            ErrorKind::Unauthorized => error.help(
                "BALENA_SUPERVISOR_API_KEY is not the key that the supervisor knows: it may have been regenerated, \
                 then the container must be recreated; `balena-agent doctor` tells",
            ),
            ErrorKind::Unsupported => {
                error.help(format!("it needs supervisor {} or later; update the supervisor", self.endpoint.since))
            }
            ErrorKind::Unreachable if self.endpoint.nature.changes() => {
                error.help("it may be restarting; look at the state before sending this again")
            }
            ErrorKind::UnknownOutcome => error.help(LOOK),
            ErrorKind::Unreachable => error.help("it may be restarting; try again, or give the call `.patience()`"),
            ErrorKind::NotFound => error.help(
                "`balena-agent supervisor applications` lists the applications and services that the key covers",
            ),
            _ => error,
        }
    }
}

/// Cuts at a character boundary.
fn truncate(text: &mut String, limit: usize) {
    if text.len() > limit {
        let cut = (0..=limit).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(cut.unwrap_or_default());
    }
}

/// The error for a call that got no answer within its deadline; `sent` if any of it may have left.
pub(crate) fn no_answer(endpoint: &Endpoint, operation: String, deadline: Duration, sent: bool) -> Error {
    let missing = if sent { "answer" } else { "connection" };
    let error = Error::new(ErrorKind::Timeout, format!("no {missing} within {deadline:?}"))
        .operation(operation)
        .sent(sent);
    if sent && endpoint.nature.changes() {
        error.help("it may still happen: look at the state before sending it again")
    } else {
        error.help("the supervisor is busy or stuck; try again, or give the call a longer `.timeout()`")
    }
}
