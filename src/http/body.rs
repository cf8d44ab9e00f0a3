//! A body that is read frame by frame and never beyond a limit.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;

use super::TransportError;

type Frames = Pin<Box<dyn Stream<Item = Result<Bytes, TransportError>> + Send>>;

/// The body of an answer.
pub struct Body(Content);

enum Content {
    /// `None` once it was handed on.
    Whole(Option<Bytes>),
    Frames(Frames),
}

/// What went wrong while a body was read to its end.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// The connection broke.
    Transport(TransportError),
    /// The body is longer than the limit, in bytes.
    TooLong(usize),
}

impl Body {
    /// A body of these pieces.
    pub fn new(frames: impl Stream<Item = Result<Bytes, TransportError>> + Send + 'static) -> Self {
        Self(Content::Frames(Box::pin(frames)))
    }

    /// A body that is there already.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self(Content::Whole(Some(bytes)))
    }

    /// All of it, if it is there and was not handed on.
    pub(super) fn whole_bytes(&self) -> Option<&Bytes> {
        match &self.0 {
            Content::Whole(bytes) => bytes.as_ref(),
            Content::Frames(_) => None,
        }
    }

    /// The next piece, or `None` at the end.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, TransportError>>> {
        match &mut self.0 {
            Content::Whole(bytes) => Poll::Ready(bytes.take().map(Ok)),
            Content::Frames(frames) => frames.as_mut().poll_next(cx),
        }
    }

    pub(super) async fn next(&mut self) -> Option<Result<Bytes, TransportError>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Reads to the end, at most `limit` bytes.
    pub(crate) async fn collect(mut self, limit: usize) -> Result<Bytes, BodyError> {
        // Most answers come in one piece, which is then handed on as it is.
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

    /// Reads what there is of an error answer, at most `limit` bytes; a break or an excess just ends it.
    pub(crate) async fn collect_some(mut self, limit: usize) -> Bytes {
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
