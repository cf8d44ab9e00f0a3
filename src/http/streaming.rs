//! A response of the cloud API whose body is read as a stream.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use secrecy::SecretString;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::error::{BODY_LIMIT, Error, ErrorKind, Result};

use super::connection_error::connection_lost;
use super::outcome::RequestSemantics;
use super::request::ApiRequest;
use super::response::BufferedResponse;
use super::{Body, BodyError, TransportError};

/// Largest body that is read into memory, in bytes.
const RESPONSE_LIMIT: usize = 64 * 1024 * 1024;
/// Longest time without a chunk. Log streams send a heartbeat every 58 s.
const IDLE_LIMIT: Duration = Duration::from_secs(90);
/// If the timer is polled later than this after its deadline, the task did not poll the body meanwhile, and the idle
/// time starts again.
const POLL_GAP: Duration = Duration::from_secs(5);

/// A response with a success status: its head, and its body as a stream.
#[derive(Debug)]
pub(crate) struct StreamingResponse {
    /// Method and path of the request, for error texts.
    pub(crate) operation: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    body: Body,
    host: String,
    semantics: RequestSemantics,
    token: Option<SecretString>,
    idle: IdleTimeout,
}

/// The time since the last chunk.
#[derive(Debug, Default)]
struct IdleTimeout {
    /// When waiting for the next chunk began.
    since: Option<Instant>,
    /// Reused for every chunk: creating a timer costs more than reading the clock.
    timer: Option<Pin<Box<Sleep>>>,
}

impl IdleTimeout {
    /// Resolves when no chunk arrived within [`IDLE_LIMIT`].
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut since = *self.since.get_or_insert_with(Instant::now);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(since + IDLE_LIMIT)));
        loop {
            ready!(timer.as_mut().poll(cx));
            let over = since + IDLE_LIMIT;
            let late = over.elapsed();
            if late > POLL_GAP {
                since = Instant::now();
            } else if Instant::now() >= over {
                return Poll::Ready(());
            }
            self.since = Some(since);
            timer.as_mut().reset(since + IDLE_LIMIT);
        }
    }
}

impl StreamingResponse {
    pub(super) fn new(
        operation: &str,
        api_request: &ApiRequest,
        host: &str,
        head: http::response::Parts,
        body: Body,
    ) -> Self {
        Self {
            operation: operation.to_owned(),
            status: head.status.as_u16(),
            headers: head.headers,
            body,
            host: host.to_owned(),
            semantics: api_request.semantics(),
            token: api_request.token.clone(),
            idle: IdleTimeout::default(),
        }
    }

    /// Returns the next chunk of the body; `None` at its end. Cancel-safe.
    ///
    /// # Errors
    /// `is_timeout` if no chunk arrived for 90 s; `is_unreachable` if the connection broke, or `is_unknown_outcome` if
    /// the request was a write.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`next`](Self::next).
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let error = match self.body.poll_next(cx) {
            Poll::Ready(piece) => {
                self.idle.since = None;
                match piece {
                    Some(Err(error)) => self.lost(error),
                    piece => return Poll::Ready(piece.and_then(std::result::Result::ok).map(Ok)),
                }
            }
            Poll::Pending => {
                ready!(self.idle.poll(cx));
                self.idle = IdleTimeout::default();
                let text = format!("{} sent nothing for {} s", self.host, IDLE_LIMIT.as_secs());
                Error::new(ErrorKind::Timeout, text).with_status(self.status).with_sent(true)
            }
        };
        Poll::Ready(Some(Err(error.with_operation(self.operation.clone()))))
    }

    /// Reads the rest of the body into memory, at most 64 MiB.
    ///
    /// # Errors
    /// `is_decode` if it is longer; `is_unreachable` if the connection broke, or `is_unknown_outcome` if the request
    /// was a write.
    pub(crate) async fn into_buffered(mut self) -> Result<BufferedResponse> {
        let body = self.collect().await?;
        let Self { operation, status, headers, token, .. } = self;
        Ok(BufferedResponse { operation, status, headers, body, token })
    }

    /// Reads the body into memory and keeps it there.
    pub(super) async fn read(mut self) -> Result<Self> {
        self.body = Body::whole(self.collect().await?);
        Ok(self)
    }

    /// Returns the body, if [`read`](Self::read) was called.
    pub(super) fn whole_body(&self) -> Option<&Bytes> {
        self.body.whole_bytes()
    }

    /// Reads the beginning of the body, up to the length that an error keeps.
    pub(super) async fn beginning(self) -> Bytes {
        self.body.collect_truncated(BODY_LIMIT).await
    }

    async fn collect(&mut self) -> Result<Bytes> {
        let body = std::mem::replace(&mut self.body, Body::whole(Bytes::new()));
        body.collect(RESPONSE_LIMIT).await.map_err(|error| match error {
            BodyError::Transport(error) => self.lost(error),
            BodyError::TooLong(limit) => {
                let text = format!("status {} with a response longer than {limit} bytes", self.status);
                Error::new(ErrorKind::Decode, text).with_status(self.status).with_sent(true)
            }
        })
    }

    fn lost(&self, error: TransportError) -> Error {
        connection_lost(&self.host, self.semantics, error)
    }
}
