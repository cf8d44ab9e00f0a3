//! A file that comes from a server: piece by piece, gone on with where a connection broke, checked in the end.

mod head;
mod save;
mod stream;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};

use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};

use super::checksum::Checksum;
use super::{BoxFuture, RetryPolicy, StreamingResponse};
use head::Head;

pub use stream::DownloadStream;

/// Times in a row that a connection may break without having brought anything.
const MAX_EMPTY_ATTEMPTS: u32 = 8;
/// Less than so many bytes is nothing.
const MIN_PROGRESS: u64 = 64 * 1024;

/// Asks for a file, with these headers.
pub(crate) type Open = Box<dyn Fn(HeaderMap) -> BoxFuture<'static, Result<StreamingResponse>> + Send + Sync>;

/// Where a file comes from.
pub(crate) struct Source {
    pub(crate) open: Open,
    /// What it is, wherever it lies: what was left of a file of another name is nothing to go on with.
    pub(crate) name: String,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) retry: RetryPolicy,
}

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes that have come, or gone.
    pub done: u64,
    /// Bytes of all of it, where that is known.
    pub total: Option<u64>,
}

/// Told how far a transfer is.
pub(crate) type Report = Box<dyn FnMut(Progress) + Send>;

/// A file that a server has begun to send: its head is here, its bytes are still to come.
///
/// A connection that breaks is made again, and the file gone on with where it broke off, if the server can tell
/// that it is still the same file (`ETag`, or the time of its last change); otherwise it begins anew. It is
/// given up after eight times in a row that brought nothing, and at once with [`RetryPolicy::never`].
///
/// Bytes come as the server keeps them, never unpacked on the way. Where it tells a checksum (`Repr-Digest`,
/// `Content-Digest`, `Digest`, `Content-MD5`, `x-amz-checksum-…`), they are held against it. An `ETag` is taken
/// for none: one that looks like an MD5 may be that of something else. That an answer without length, chunks and
/// checksum has ended too early, nobody can tell.
#[must_use = "its bytes come when it is written or read"]
pub struct Download {
    source: Source,
    head: Head,
    /// `None`: the connection is still to be made.
    body: Option<StreamingResponse>,
    /// Bytes that have come of the file as it is now.
    done: u64,
    /// The most that had come when a connection broke.
    furthest: u64,
    fruitless: u32,
    /// The rest is of no use: the next time it is asked for whole.
    anew: bool,
    checksum: Option<Checksum>,
    report: Option<Report>,
    ended: bool,
}

/// What comes next.
enum Piece {
    Bytes(Bytes),
    /// The file begins again: what came so far is not of it.
    Anew,
}

impl Download {
    pub(crate) async fn open(source: Source) -> Result<Self> {
        let opened = (source.open)(as_kept()).await?;
        let head = whole(&opened)?;
        let checksum = Checksum::told(head.headers());
        Ok(Self {
            source,
            head,
            body: Some(opened),
            done: 0,
            furthest: 0,
            fruitless: 0,
            anew: false,
            checksum,
            report: None,
            ended: false,
        })
    }

    /// What the server calls the file (`Content-Disposition`): a name without any path in it.
    pub fn filename(&self) -> Option<String> {
        self.head.filename()
    }

    /// What it is, e.g. `application/zip`.
    pub fn content_type(&self) -> Option<&str> {
        self.head.text(&header::CONTENT_TYPE)
    }

    /// The header `Content-Disposition` as it is.
    pub fn content_disposition(&self) -> Option<&str> {
        self.head.text(&header::CONTENT_DISPOSITION)
    }

    /// How the server has packed it, if it has: the bytes are not unpacked here.
    pub fn content_encoding(&self) -> Option<&str> {
        self.head.text(&header::CONTENT_ENCODING)
    }

    /// How many bytes it has, where the server tells.
    pub fn length(&self) -> Option<u64> {
        self.head.length
    }

    /// Is told how far it is, with every piece. When the file begins anew, `done` goes back.
    pub fn progress(mut self, report: impl FnMut(Progress) + Send + 'static) -> Self {
        self.report = Some(Box::new(report));
        self
    }

    /// The next piece; `None` when the file is whole. Connects as often as needed.
    async fn next(&mut self) -> Option<Result<Piece>> {
        while !self.ended {
            let error = match &mut self.body {
                Some(_) if self.head.length == Some(self.done) => break,
                None => match self.connect().await {
                    Ok(None) => continue,
                    Ok(Some(anew)) => return Some(Ok(anew)),
                    Err(error) => error,
                },
                Some(body) => match body.next().await {
                    Some(Ok(piece)) if piece.is_empty() => continue,
                    Some(Ok(piece)) => return Some(self.accept(piece)),
                    Some(Err(error)) => error,
                    None if self.head.length.is_none() => break,
                    None => broken_off(body),
                },
            };
            self.body = None;
            if let Err(error) = self.retry_after_break(error).await {
                self.ended = true;
                return Some(Err(error));
            }
        }
        self.ended = true;
        self.checksum.take().and_then(|checksum| checksum.check().err()).map(|why| Err(damaged(&why)))
    }

    fn accept(&mut self, piece: Bytes) -> Result<Piece> {
        self.done = self.done.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        if let Some(length) = self.head.length.filter(|length| self.done > *length) {
            self.ended = true;
            return Err(damaged(&format!("more came than the {length} bytes that the server tells")));
        }
        if self.done >= self.furthest.saturating_add(MIN_PROGRESS) {
            self.fruitless = 0;
        }
        if let Some(checksum) = &mut self.checksum {
            checksum.update(&piece);
        }
        self.report_progress();
        Ok(Piece::Bytes(piece))
    }

    fn report_progress(&mut self) {
        if let Some(report) = &mut self.report {
            report(Progress { done: self.done, total: self.head.length });
        }
    }

    /// Waits before the next connection, or gives up.
    async fn retry_after_break(&mut self, error: Error) -> Result<()> {
        let passing = matches!(
            error.kind(),
            ErrorKind::Unreachable | ErrorKind::Timeout | ErrorKind::RateLimited | ErrorKind::Server
        );
        if !passing
            || error.is_permanent()
            || !self.source.retry.allows_attempt(1)
            || self.fruitless >= MAX_EMPTY_ATTEMPTS
        {
            return Err(error);
        }
        self.furthest = self.furthest.max(self.done);
        self.fruitless += 1;
        let pause = RetryPolicy::delay_after(self.fruitless, &error).min(RetryPolicy::MAX_BACKOFF);
        tracing::debug!(done = self.done, ?pause, %error, "a download broke off, going on with it");
        self.source.clock.sleep(pause).await;
        Ok(())
    }

    /// Asks for what is still to come, or for all of it.
    async fn connect(&mut self) -> Result<Option<Piece>> {
        loop {
            let mut headers = as_kept();
            let validator = self.head.validator.clone().filter(|_| self.done > 0 && !self.anew);
            if let Some(validator) = &validator {
                headers.insert(header::RANGE, range_from(self.done)?);
                headers.insert(header::IF_RANGE, validator.clone());
            }
            let opened = match (self.source.open)(headers).await {
                Ok(opened) => opened,
                // There is nothing behind what came: it has become another file.
                Err(error) if error.status() == Some(416) && validator.is_some() => {
                    self.anew = true;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if validator.is_some() && opened.status == 206 {
                self.head.length = match self.head.goes_on_in(&opened, self.done) {
                    None => {
                        self.anew = true;
                        continue;
                    }
                    length => length,
                };
                self.body = Some(opened);
                return Ok(None);
            }
            self.head = whole(&opened)?;
            self.checksum = Checksum::told(self.head.headers());
            self.body = Some(opened);
            (self.done, self.anew) = (0, false);
            self.report_progress();
            return Ok(Some(Piece::Anew));
        }
    }
}

/// Packed on the way, a file would have another length than it has.
fn as_kept() -> HeaderMap {
    HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))])
}

fn range_from(start: u64) -> Result<HeaderValue> {
    HeaderValue::try_from(format!("bytes={start}-"))
        .map_err(|cause| Error::new(ErrorKind::InvalidArgument, cause.to_string()))
}

/// The head of a whole file.
fn whole(opened: &StreamingResponse) -> Result<Head> {
    let text = match opened.status {
        200 => return Ok(Head::of(opened)),
        206 => "status 206: a part of the file, and nobody asked for a part".to_owned(),
        status => format!("status {status}: that is no file"),
    };
    let error = Error::new(ErrorKind::Decode, text).with_operation(opened.operation.clone());
    Err(error.with_status(opened.status).with_sent(true))
}

/// A body that ended before its length.
fn broken_off(body: &StreamingResponse) -> Error {
    Error::new(ErrorKind::Unreachable, "it ended before all bytes had come")
        .with_operation(body.operation.clone())
        .with_status(body.status)
        .with_sent(true)
}

fn damaged(why: &str) -> Error {
    Error::new(ErrorKind::Decode, format!("the file is damaged: {why}"))
        .with_sent(true)
        .with_help("download it again; if that gives the same, the server's copy is damaged, or something on the way changes it")
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { done, fruitless, .. } = self;
        let length = self.head.length;
        f.debug_struct("Download")
            .field("done", done)
            .field("length", &length)
            .field("fruitless", fruitless)
            .finish_non_exhaustive()
    }
}
