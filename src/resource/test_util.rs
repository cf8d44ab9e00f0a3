//! A fake API for tests that need one response only.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use secrecy::SecretString;

use crate::transport::{Body, BoxFuture, Request as Sent, Response, Transport, TransportError};
use crate::{ApiVersion, Balena, RetryPolicy, Settings};

/// A transport that returns the same response to every request and records the requests.
#[derive(Debug)]
pub(crate) struct MockTransport {
    pub(crate) status: u16,
    pub(crate) body: &'static str,
    pub(crate) asked: Mutex<Vec<String>>,
}

impl MockTransport {
    /// Returns a version 6 client whose API returns this response.
    pub(crate) fn answering(body: &'static str) -> (Balena, Arc<Self>) {
        Self::cloud(ApiVersion::V6, 200, body)
    }

    /// Returns a client of this version whose API returns this response.
    pub(crate) fn cloud(api_version: ApiVersion, status: u16, body: &'static str) -> (Balena, Arc<Self>) {
        let transport = Arc::new(Self { status, body, asked: Mutex::default() });
        let balena = Balena::builder()
            .settings(Settings { api_version, ..Settings::default() })
            .token(SecretString::from("token"))
            .retry(RetryPolicy::never())
            .transport(transport.clone())
            .build();
        (balena, transport)
    }
}

/// Returns a response with this body.
pub(crate) fn whole(status: u16, body: &'static str) -> Response {
    let mut answer = Response::new(Body::new(Whole(Some(body.into()))));
    *answer.status_mut() = status.try_into().unwrap();
    answer
}

struct Whole(Option<Bytes>);

impl Stream for Whole {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.take().map(Ok))
    }
}

impl Transport for MockTransport {
    fn send(&self, request: Sent) -> BoxFuture<'_, Result<Response, TransportError>> {
        self.asked.lock().unwrap().push(format!("{} {}", request.method(), request.uri()));
        let answer = whole(self.status, self.body);
        Box::pin(async { Ok(answer) })
    }
}
