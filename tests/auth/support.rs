//! A cloud that answers as a test says, and a clock that stands still.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use balena_agent::jiff::Timestamp;
use balena_agent::secrecy::ExposeSecret as _;
use balena_agent::transport::{Body, BoxFuture, Request, Response, Transport, TransportError};
use balena_agent::{ApiVersion, Balena, Builder, Clock, RetryPolicy, Settings};
use futures_util::stream;

/// What comes back.
pub(crate) enum Answer {
    Of(u16, String),
    /// The connection breaks.
    Breaks,
}

type Answers = dyn Fn(&str, usize) -> Answer + Send + Sync;

pub(crate) fn answer(status: u16, body: impl Into<String>) -> Answer {
    Answer::Of(status, body.into())
}

#[derive(Clone)]
pub(crate) struct Cloud(Arc<Inner>);

struct Inner {
    answers: Box<Answers>,
    /// How long each answer takes.
    delay: Duration,
    asked: Mutex<Vec<(String, String)>>,
    bodies: Mutex<Vec<serde_json::Value>>,
    now: Mutex<Timestamp>,
    monotonic: Mutex<Instant>,
}

impl fmt::Debug for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cloud")
    }
}

impl Cloud {
    /// `answers` gets method and path, and how many requests there were before.
    pub(crate) fn new(answers: impl Fn(&str, usize) -> Answer + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner {
            answers: Box::new(answers),
            delay: Duration::from_millis(5),
            asked: Mutex::default(),
            bodies: Mutex::default(),
            now: Mutex::new("2024-06-15T12:00:00Z".parse().unwrap()),
            monotonic: Mutex::new(Instant::now()),
        }))
    }

    /// Methods and paths so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.0.asked.lock().unwrap().iter().map(|(call, _)| call.clone()).collect()
    }

    /// The tokens that they came with.
    pub(crate) fn tokens(&self) -> Vec<String> {
        self.0.asked.lock().unwrap().iter().map(|(_, token)| token.clone()).collect()
    }

    /// What they sent, as JSON.
    pub(crate) fn bodies(&self) -> Vec<serde_json::Value> {
        self.0.bodies.lock().unwrap().clone()
    }

    pub(crate) fn forget(&self) {
        self.0.asked.lock().unwrap().clear();
    }

    /// Time passes.
    pub(crate) fn advance(&self, duration: Duration) {
        *self.0.now.lock().unwrap() += duration;
        *self.0.monotonic.lock().unwrap() += duration;
    }

    /// The clock is set, and no time passes.
    pub(crate) fn set_clock(&self, now: &str) {
        *self.0.now.lock().unwrap() = now.parse().unwrap();
    }

    pub(crate) fn client(&self, token: Option<&str>) -> Balena {
        self.client_of(token, ApiVersion::V6)
    }

    pub(crate) fn client_of(&self, token: Option<&str>, api_version: ApiVersion) -> Balena {
        self.client_that(|builder| {
            let builder = builder.settings(Settings { api_version, ..Settings::default() });
            match token {
                Some(token) => builder.token(token.into()),
                None => builder,
            }
        })
    }

    pub(crate) fn client_that(&self, builds: impl FnOnce(Builder) -> Builder) -> Balena {
        let builder = Balena::builder()
            .retry(RetryPolicy::never())
            .transport(Arc::new(self.clone()))
            .clock(Arc::new(self.clone()));
        builds(builder).try_build().unwrap()
    }
}

impl Transport for Cloud {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        let call = format!("{} {}", request.method(), request.uri().path());
        let token = request.headers().get("authorization").map(|value| value.to_str().unwrap());
        let token = token.unwrap_or_default().trim_start_matches("Bearer ").to_owned();
        let body = serde_json::from_slice(request.body()).unwrap_or_default();
        self.0.bodies.lock().unwrap().push(body);
        let before = {
            let mut asked = self.0.asked.lock().unwrap();
            asked.push((call.clone(), token));
            asked.len() - 1
        };
        Box::pin(async move {
            tokio::time::sleep(self.0.delay).await;
            let Answer::Of(status, body) = (self.0.answers)(&call, before) else {
                return Err(TransportError { sent: true, reused: false, cause: "broken".into() });
            };
            let body = Body::new(stream::iter([Ok(body.into_bytes().into())]));
            Ok(http::Response::builder().status(status).body(body).unwrap())
        })
    }
}

impl Clock for Cloud {
    fn now(&self) -> Timestamp {
        *self.0.now.lock().unwrap()
    }

    fn monotonic(&self) -> Instant {
        *self.0.monotonic.lock().unwrap()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.advance(duration);
        Box::pin(std::future::ready(()))
    }
}

/// The token that the client has now.
pub(crate) fn token_of(balena: &Balena) -> Option<String> {
    balena.auth().get_token().unwrap().map(|token| token.expose_secret().to_owned())
}

/// A session token with these claims.
pub(crate) fn session(claims: &str) -> String {
    format!("{}.{}.c2ln", base64url(r#"{"alg":"HS256"}"#), base64url(claims))
}

/// One that is so old at noon of the day of these tests.
pub(crate) fn session_of_age(seconds: i64) -> String {
    session(&format!(r#"{{"id":1,"iat":{}}}"#, 1_718_452_800 - seconds))
}

fn base64url(text: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte))
            << (8 * (3 - chunk.len()));
        for index in 0..=chunk.len() {
            out.push(char::from(ALPHABET[bits >> (18 - 6 * index) & 63]));
        }
    }
    out
}
