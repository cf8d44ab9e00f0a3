//! A download as a stream of bytes.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use futures_core::Stream;

use crate::error::{Error, ErrorKind, Result};
use crate::http::BoxFuture;

use super::{Download, DownloadEvent};

/// The bytes of a download: a `Stream` of `Result<Bytes>`. It ends after the first error.
///
/// Bytes that were returned can't be taken back. If the connection breaks and the server does not confirm that the file
/// is the same, the stream fails.
#[must_use = "a stream does nothing unless it is polled"]
pub struct DownloadStream(State);

enum State {
    Idle(Box<Delivered>),
    Busy(BoxFuture<'static, (Box<Delivered>, Option<Result<Bytes>>)>),
    Done,
}

/// A download, and how much of it was returned.
struct Delivered {
    download: Download,
    bytes: u64,
    /// Bytes to skip, because they were returned before the download started again.
    again: u64,
}

impl Download {
    /// Returns the bytes as a stream.
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
                // The file is now shorter than what was returned.
                return (self.again > 0).then(|| Err(file_changed_error()));
            };
            match piece {
                Err(error) => return Some(Err(error)),
                Ok(DownloadEvent::Restart) => {
                    let head = &self.download.head;
                    let is_same = validator.is_some() && head.validator == validator;
                    let as_long = head.length.is_none_or(|now| length.is_none_or(|before| now == before));
                    if self.bytes > 0 && !(is_same && as_long) {
                        return Some(Err(file_changed_error()));
                    }
                    self.again = self.bytes;
                }
                Ok(DownloadEvent::Bytes(mut bytes)) => {
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

fn file_changed_error() -> Error {
    Error::new(
        ErrorKind::Unreachable,
        "the connection broke, and the server does not confirm that it still has the same file",
    )
    .with_sent(true)
    .with_help("start the download again; `to_file` does this itself")
}

impl DownloadStream {
    /// Returns the next chunk; `None` at the end.
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
