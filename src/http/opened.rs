//! An answer whose body is still to come.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;

use crate::error::{Error, ErrorKind, Result};

use super::execute::{Outgoing, Reply, lost};
use super::{Body, BodyError, TransportError};

/// Largest answer that is read into memory.
const ANSWER_LIMIT: usize = 64 * 1024 * 1024;
/// For a body that comes piece by piece. The logs beat every 58 s.
const IDLE_LIMIT: Duration = Duration::from_secs(90);

/// The head of an answer with a success status, and the body as it comes.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) operation: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    body: Body,
    host: String,
    is_read: bool,
}

impl Opened {
    pub(super) fn new(operation: &str, outgoing: &Outgoing, head: http::response::Parts, body: Body) -> Self {
        Self {
            operation: operation.to_owned(),
            status: head.status.as_u16(),
            headers: head.headers,
            body,
            host: outgoing.host().to_owned(),
            is_read: outgoing.is_read(),
        }
    }

    /// The next piece of the body, `None` at its end. May be dropped and called again.
    ///
    /// # Errors
    /// `is_timeout` when nothing came for 90 s, `is_unreachable` when the connection broke.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes>> {
        let error = match tokio::time::timeout(IDLE_LIMIT, self.body.next()).await {
            Ok(piece) => match piece? {
                Ok(piece) => return Some(Ok(piece)),
                Err(error) => self.lost(error),
            },
            Err(_) => Error::new(
                ErrorKind::Timeout,
                format!("{} sent nothing for {} s", self.host, IDLE_LIMIT.as_secs()),
            )
            .with_status(self.status)
            .sent(true),
        };
        Some(Err(error.operation(self.operation.clone())))
    }

    /// The whole answer, at most 64 MiB.
    ///
    /// # Errors
    /// `is_decode` when it is longer, `is_unreachable` when the connection broke.
    pub(crate) async fn whole(mut self) -> Result<Reply> {
        let body = self.collect().await?;
        Ok(Reply { operation: self.operation, status: self.status, headers: self.headers, body })
    }

    /// The same with its whole body in memory.
    pub(super) async fn read(mut self) -> Result<Self> {
        self.body = Body::whole(self.collect().await?);
        Ok(self)
    }

    async fn collect(&mut self) -> Result<Bytes> {
        let body = std::mem::replace(&mut self.body, Body::whole(Bytes::new()));
        body.collect(ANSWER_LIMIT).await.map_err(|error| match error {
            BodyError::Transport(error) => self.lost(error),
            BodyError::TooLong(limit) => {
                let text = format!("status {} with an answer longer than {limit} bytes", self.status);
                Error::new(ErrorKind::Decode, text).with_status(self.status).sent(true)
            }
        })
    }

    fn lost(&self, error: TransportError) -> Error {
        lost(&self.host, self.is_read, error)
    }
}
