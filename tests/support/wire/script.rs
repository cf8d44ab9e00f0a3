//! The other side of a case: answers the recorded requests strictly in order, and remembers what was wrong.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use balena_agent::Clock;
use balena_agent::jiff::Timestamp;
use balena_agent::transport::{Body, BoxFuture, Request, Response, Transport, TransportError};
use bytes::Bytes;
use futures_util::Stream;

use super::cases::{Exchange, Response as Answer};
use super::request::{self, Sent};

/// What is still to come, what was wrong so far, and how long the client slept.
#[derive(Debug, Default)]
struct State {
    open: VecDeque<Exchange>,
    /// How many there were.
    all: usize,
    faults: Vec<String>,
    sleeps: Vec<f64>,
    slept: Duration,
    /// Streams that were to be held open and that the client closed.
    closed: Vec<bool>,
}

/// Shared by everything that stands for the world outside in one case.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script(Arc<Mutex<State>>);

impl Script {
    pub(crate) fn new(exchange: impl IntoIterator<Item = Exchange>) -> Self {
        let open: VecDeque<Exchange> = exchange.into_iter().collect();
        Self(Arc::new(Mutex::new(State { all: open.len(), open, ..State::default() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks a request and says what to answer; `None` if it is not expected at all.
    pub(crate) fn answer(&self, sent: &Sent<'_>) -> Option<Answer> {
        let mut state = self.state();
        let Some(next) = state.take(sent) else {
            state.faults.push(format!("one request too many: {} {}?{}", sent.method, sent.path, sent.query));
            return None;
        };
        if !next.check.any_request {
            let (expected, found) = compared(&next, sent);
            if expected != found {
                state.faults.push(difference("request", &expected, &found));
            }
        }
        Some(next.response)
    }

    /// What was wrong, with the requests that never came.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut state = self.state();
        let mut faults = std::mem::take(&mut state.faults);
        faults.extend(state.open.drain(..).filter(|exchange| !exchange.check.optional).map(|exchange| {
            let request = exchange.request;
            format!("never sent: {} {} {:?}", request.method, request.path, request.query)
        }));
        faults
    }

    pub(crate) fn closed(&self) -> Vec<bool> {
        self.state().closed.clone()
    }

    pub(crate) fn sleeps(&self) -> Vec<f64> {
        self.state().sleeps.clone()
    }
}

impl State {
    /// The exchange that a request belongs to: the first that is equal among those that may come now, or else
    /// the next one.
    fn take(&mut self, sent: &Sent<'_>) -> Option<Exchange> {
        let next = self.open.iter().position(|exchange| !exchange.check.optional);
        let answered = self.all - self.open.len();
        let mut now = self.open.iter().enumerate().filter(|(index, exchange)| {
            next.is_none_or(|next| *index <= next)
                || exchange.issued_after.is_some_and(|after| after <= answered)
        });
        let equal = now.find(|(_, exchange)| {
            exchange.check.any_request || {
                let (expected, found) = compared(exchange, sent);
                expected == found
            }
        });
        let index = equal.map(|(index, _)| index).or(next)?;
        let taken = self.open.remove(index)?;
        // What is optional and stands before it comes no more, unless it need not come in its turn.
        let mut before = 0..index;
        let may_come = |exchange: &Exchange| !exchange.check.optional || exchange.issued_after.is_some();
        self.open.retain(|exchange| before.next().is_none() || may_come(exchange));
        Some(taken)
    }
}

/// The recorded request and the one that was sent, in one form.
fn compared(exchange: &Exchange, sent: &Sent<'_>) -> (serde_json::Value, serde_json::Value) {
    let expected = request::recorded(&exchange.request);
    let mut found = request::sent(sent, &exchange.request);
    if exchange.check.absent_is_null
        && let (Some(left), Some(right)) = (expected.get("json"), found.get_mut("json"))
        && let (Some(left), Some(right)) = (left.as_object(), right.as_object_mut())
    {
        right.retain(|name, value| !value.is_null() || left.contains_key(name));
    }
    (expected, found)
}

/// Expected and found, one line each, with the fields that are equal left out.
pub(crate) fn difference(what: &str, expected: &serde_json::Value, found: &serde_json::Value) -> String {
    let (Some(left), Some(right)) = (expected.as_object(), found.as_object()) else {
        return format!("{what}:\n      expected {expected}\n      found    {found}");
    };
    let mut out = format!("{what}:");
    let mut names: Vec<&String> = left.keys().chain(right.keys()).collect();
    names.sort();
    names.dedup();
    for name in names.into_iter().filter(|name| left.get(*name) != right.get(*name)) {
        let show = |value: Option<&serde_json::Value>| value.map_or("-".to_owned(), ToString::to_string);
        let (left, right, width) = (show(left.get(name)), show(right.get(name)), name.len());
        write!(out, "\n      {name}: expected {left}\n      {:width$}  found    {right}", "")
            .expect("text grows");
    }
    out
}

impl Transport for Script {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        let (head, body) = request.into_parts();
        let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let answer = self.answer(&Sent {
            scheme: head.uri.scheme_str().unwrap_or_default(),
            authority: head.uri.authority().map_or("", |authority| authority.as_str()),
            method: head.method.as_str(),
            path: head.uri.path(),
            query: head.uri.query().unwrap_or_default(),
            authorization: header(http::header::AUTHORIZATION),
            content_type: header(http::header::CONTENT_TYPE),
            body: &body,
        });
        let script = self.clone();
        Box::pin(async move {
            match answer {
                Some(answer) if !answer.abort => Ok(response(&answer, script)),
                // Also for a request that nobody expects: the case has failed by then.
                _ => Err(TransportError { sent: true, reused: false, cause: "the connection closed".into() }),
            }
        })
    }
}

/// What comes piece by piece, and perhaps stays open then.
struct Pieces {
    left: VecDeque<Bytes>,
    held: bool,
    script: Script,
}

impl Stream for Pieces {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.left.pop_front() {
            Some(piece) => Poll::Ready(Some(Ok(piece))),
            None if self.held => Poll::Pending,
            None => Poll::Ready(None),
        }
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        if self.held {
            self.script.state().closed.push(true);
        }
    }
}

fn response(answer: &Answer, script: Script) -> Response {
    let (bytes, content_type) = answer.body();
    let left = if answer.stream.is_empty() {
        [Bytes::from(bytes)].into()
    } else {
        answer.stream.iter().map(|piece| Bytes::from(piece.clone())).collect()
    };
    let body = Body::new(Pieces { left, held: answer.hold > 0.0, script });
    let mut response = http::Response::builder().status(answer.status).header("content-type", content_type);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    response.body(body).expect("a recorded answer is a valid one")
}

/// Stands still at the time of the recordings; sleeping moves it on and takes no time.
#[derive(Clone)]
pub(crate) struct Frozen(pub(crate) Script);

impl fmt::Debug for Frozen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Frozen")
    }
}

impl Clock for Frozen {
    fn now(&self) -> Timestamp {
        let start: Timestamp = "2024-06-15T12:00:00Z".parse().expect("a time");
        start + self.0.state().slept
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let mut state = self.0.state();
        state.sleeps.push(duration.as_secs_f64());
        state.slept += duration;
        Box::pin(std::future::ready(()))
    }
}
