//! The body of a response: read as a stream, or into memory up to a limit.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;

use super::TransportError;

type Frames = Pin<Box<dyn Stream<Item = Result<Bytes, TransportError>> + Send>>;

/// The body of a response.
pub struct Body(Content);

enum Content {
    /// The whole body in memory; `None` once it has been returned.
    Whole(Option<Bytes>),
    Frames(Frames),
}

/// Why a body could not be read into memory.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// The connection broke.
    Transport(TransportError),
    /// The body is longer than the limit, in bytes.
    TooLong(usize),
}

impl Body {
    /// Returns a body that streams these chunks.
    pub fn new(frames: impl Stream<Item = Result<Bytes, TransportError>> + Send + 'static) -> Self {
        Self(Content::Frames(Box::pin(frames)))
    }

    /// Returns a body that is in memory.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self(Content::Whole(Some(bytes)))
    }

    /// Returns the whole body, if it is in memory and has not been returned yet.
    pub(super) fn whole_bytes(&self) -> Option<&Bytes> {
        match &self.0 {
            Content::Whole(bytes) => bytes.as_ref(),
            Content::Frames(_) => None,
        }
    }

    /// Polls for the next chunk; `None` at the end.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, TransportError>>> {
        match &mut self.0 {
            Content::Whole(bytes) => Poll::Ready(bytes.take().map(Ok)),
            Content::Frames(frames) => frames.as_mut().poll_next(cx),
        }
    }

    /// Returns the next chunk; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Result<Bytes, TransportError>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Reads the body to its end. Fails if it is longer than `limit` bytes.
    pub(crate) async fn collect(mut self, limit: usize) -> Result<Bytes, BodyError> {
        // Most bodies are a single chunk, which is returned without a copy.
        let Some(first) = self.next().await else { return Ok(Bytes::new()) };
        let first = first.map_err(BodyError::Transport)?;
        if first.len() > limit {
            return Err(BodyError::TooLong(limit));
        }
        let Some(second) = self.next().await else { return Ok(first) };
        let mut all = BytesMut::from(first);
        let mut piece = second.map_err(BodyError::Transport)?;
        loop {
            if all.len() + piece.len() > limit {
                return Err(BodyError::TooLong(limit));
            }
            all.extend_from_slice(&piece);
            match self.next().await {
                Some(next) => piece = next.map_err(BodyError::Transport)?,
                None => return Ok(all.freeze()),
            }
        }
    }

    /// Reads at most `limit` bytes of the body. If the connection breaks, returns what was read so far.
    pub(crate) async fn collect_truncated(mut self, limit: usize) -> Bytes {
        let mut all = BytesMut::new();
        while let Some(Ok(piece)) = self.next().await {
            let room = limit.saturating_sub(all.len());
            all.extend_from_slice(piece.get(..room).unwrap_or(&piece));
            if all.len() >= limit {
                break;
            }
        }
        all.freeze()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body")
    }
}
