//! As a stream, for whoever pipes it elsewhere.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use futures_core::Stream;

use crate::error::{Error, ErrorKind, Result};
use crate::http::BoxFuture;

use super::{Download, Piece};

/// The bytes of a file as they come: a `Stream` of `Result<Bytes>`. Ends after the first error.
///
/// What was given out can't be taken back: when a connection breaks and the server can't tell that it is still
/// the same file, that is an error.
#[must_use = "a stream does nothing unless it is polled"]
pub struct DownloadStream(State);

enum State {
    Idle(Box<Delivered>),
    Busy(BoxFuture<'static, (Box<Delivered>, Option<Result<Bytes>>)>),
    Done,
}

/// A download, and what was given out of it.
struct Delivered {
    download: Download,
    bytes: u64,
    /// Still to come again.
    again: u64,
}

impl Download {
    /// The bytes as they come.
    pub fn stream(self) -> DownloadStream {
        DownloadStream(State::Idle(Box::new(Delivered { download: self, bytes: 0, again: 0 })))
    }
}

impl Delivered {
    async fn next(&mut self) -> Option<Result<Bytes>> {
        loop {
            let head = &self.download.head;
            let (validator, length) = (head.validator.clone(), head.length);
            let Some(piece) = self.download.next().await else {
                // It ended before what was given out.
                return (self.again > 0).then(|| Err(another_file()));
            };
            match piece {
                Err(error) => return Some(Err(error)),
                Ok(Piece::Anew) => {
                    let head = &self.download.head;
                    let is_same = validator.is_some() && head.validator == validator;
                    let as_long = head.length.is_none_or(|now| length.is_none_or(|before| now == before));
                    if self.bytes > 0 && !(is_same && as_long) {
                        return Some(Err(another_file()));
                    }
                    self.again = self.bytes;
                }
                Ok(Piece::Bytes(mut bytes)) => {
                    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                    let known = length.min(self.again);
                    self.again -= known;
                    bytes.advance(usize::try_from(known).unwrap_or(usize::MAX));
                    if !bytes.is_empty() {
                        self.bytes = self.bytes.saturating_add(length - known);
                        return Some(Ok(bytes));
                    }
                }
            }
        }
    }
}

fn another_file() -> Error {
    Error::new(
        ErrorKind::Unreachable,
        "the connection broke, and the server can't tell that it still has the same file",
    )
    .with_sent(true)
    .with_help("begin again; into a file, this is done by itself")
}

impl DownloadStream {
    /// The next bytes; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for DownloadStream {
    type Item = Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let mut next = match std::mem::replace(&mut this.0, State::Done) {
            State::Done => return Poll::Ready(None),
            State::Busy(next) => next,
            State::Idle(mut given) => Box::pin(async move {
                let next = given.next().await;
                (given, next)
            }),
        };
        match next.as_mut().poll(cx) {
            Poll::Pending => {
                this.0 = State::Busy(next);
                Poll::Pending
            }
            Poll::Ready((given, Some(Ok(bytes)))) => {
                this.0 = State::Idle(given);
                Poll::Ready(Some(Ok(bytes)))
            }
            Poll::Ready((_, end)) => Poll::Ready(end),
        }
    }
}

impl fmt::Debug for DownloadStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DownloadStream")
    }
}
