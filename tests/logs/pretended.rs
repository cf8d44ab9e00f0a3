//! A cloud without a network, whose streams do as they are told, and a clock whose waits take no time.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use balena_agent::transport::{Body, BoxFuture, Request, Response, Transport, TransportError};
use balena_agent::{Balena, Clock, LogEvent, LogStream, RetryPolicy};
use bytes::Bytes;
use futures_util::Stream;
use jiff::Timestamp;

use crate::UUID;

/// What a stream does next.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Text(String),
    /// Nothing for so long.
    Silence(Duration),
    /// The connection breaks.
    Break,
    /// The stream stays open. Without it, it ends.
    Hold,
}

/// An answer to a request for logs.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) steps: Vec<Step>,
}

impl Turn {
    pub(crate) fn of(steps: impl Into<Vec<Step>>) -> Self {
        Self { status: 200, headers: Vec::new(), steps: steps.into() }
    }

    pub(crate) fn refusal(status: u16) -> Self {
        Self { status, ..Self::of([Step::Text("no".to_owned())]) }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// Gives its turns in order, the last one for ever, and keeps what was asked and slept.
#[derive(Debug, Default)]
pub(crate) struct Cloud {
    turns: Mutex<VecDeque<Turn>>,
    asked: Mutex<Vec<String>>,
    slept: Mutex<Vec<Duration>>,
}

impl Cloud {
    pub(crate) fn new(turns: impl IntoIterator<Item = Turn>) -> Arc<Self> {
        Arc::new(Self { turns: Mutex::new(turns.into_iter().collect()), ..Self::default() })
    }

    pub(crate) fn client(self: &Arc<Self>) -> Balena {
        self.builder().retry(RetryPolicy::standard()).build()
    }

    pub(crate) fn builder(self: &Arc<Self>) -> balena_agent::Builder {
        let token = secrecy::SecretString::from("t0ken");
        Balena::builder().token(token).transport(self.clone()).clock(self.clone())
    }

    /// Queries of the requests for logs.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn slept(&self) -> Vec<Duration> {
        self.slept.lock().unwrap().clone()
    }
}

impl Transport for Cloud {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        let turn = if request.uri().path().ends_with("/logs") {
            self.asked.lock().unwrap().push(request.uri().query().unwrap_or_default().to_owned());
            let mut turns = self.turns.lock().unwrap();
            if turns.len() > 1 { turns.pop_front().unwrap() } else { turns[0].clone() }
        } else {
            Turn::of([Step::Text(format!(r#"{{"d":[{{"uuid":"{UUID}"}}]}}"#))])
        };
        let mut answer = http::Response::builder().status(turn.status);
        for (name, value) in turn.headers {
            answer = answer.header(name, value);
        }
        let body = Body::new(Steps { left: turn.steps.into(), silence: None });
        Box::pin(async move { Ok(answer.body(body).unwrap()) })
    }
}

impl Clock for Cloud {
    fn now(&self) -> Timestamp {
        "2024-06-15T12:00:00Z".parse().unwrap()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.slept.lock().unwrap().push(duration);
        Box::pin(std::future::ready(()))
    }
}

struct Steps {
    left: VecDeque<Step>,
    silence: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Stream for Steps {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(silence) = &mut self.silence {
                ready!(silence.as_mut().poll(cx));
                self.silence = None;
            }
            match self.left.pop_front() {
                None => return Poll::Ready(None),
                Some(Step::Text(text)) => return Poll::Ready(Some(Ok(text.into()))),
                Some(Step::Break) => {
                    let error = TransportError { sent: true, reused: false, cause: "it broke".into() };
                    return Poll::Ready(Some(Err(error)));
                }
                Some(Step::Silence(time)) => self.silence = Some(Box::pin(tokio::time::sleep(time))),
                Some(Step::Hold) => {
                    self.left.push_front(Step::Hold);
                    return Poll::Pending;
                }
            }
        }
    }
}

/// What happens next, in a word: the text of a line, or what else it is.
pub(crate) async fn word(log: &mut LogStream) -> String {
    match log.next().await {
        None => "end".to_owned(),
        Some(Ok(LogEvent::Line(line))) => line.message,
        Some(Ok(LogEvent::Skipped(error))) => format!("skipped: {error}"),
        Some(Ok(LogEvent::Interrupted(error))) => format!("interrupted: {}", error.kind()),
        Some(Ok(LogEvent::Missed)) => "missed".to_owned(),
        Some(Ok(other)) => format!("{other:?}"),
        Some(Err(error)) => format!("error: {}", error.kind()),
    }
}

/// The next things that happen.
pub(crate) async fn words(log: &mut LogStream, count: usize) -> Vec<String> {
    let mut words = Vec::new();
    for _ in 0..count {
        words.push(word(log).await);
    }
    words
}
