//! Downloads of files: streamed, resumed after a broken connection, and checked against the server's checksum.

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

/// Maximum number of consecutive attempts without progress.
const MAX_EMPTY_ATTEMPTS: u32 = 8;
/// Number of new bytes that count as progress.
const MIN_PROGRESS: u64 = 64 * 1024;

/// Sends the request for the file with these headers.
pub(crate) type Open = Box<dyn Fn(HeaderMap) -> BoxFuture<'static, Result<StreamingResponse>> + Send + Sync>;

/// The source of a download.
pub(crate) struct Source {
    pub(crate) open: Open,
    /// Name of the file, independent of its URL. A partial file is resumed only if it has the same name.
    pub(crate) name: String,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) retry: RetryPolicy,
}

/// Progress of a download or upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes transferred so far.
    pub done: u64,
    /// Total number of bytes, if known.
    pub total: Option<u64>,
}

/// Callback that receives the progress of a transfer.
pub(crate) type ProgressFn = Box<dyn FnMut(Progress) + Send>;

/// A download whose response head was received. Its body is read by [`to_file`](Self::to_file) or
/// [`stream`](Self::stream).
///
/// If the connection breaks, the download reconnects and resumes at the last byte, provided the server confirms that
/// the file is the same (`ETag` or `Last-Modified`); otherwise it starts again. It fails after eight consecutive
/// attempts without progress; with [`RetryPolicy::never`], after the first break.
///
/// A compressed file is stored as it is, not decompressed. If the server declares a checksum (`Repr-Digest`,
/// `Content-Digest`, `Digest`, `Content-MD5`, `x-amz-checksum-…`), the bytes are checked against it. An `ETag` is not
/// used as a checksum. A response without length, chunked encoding and checksum may be truncated without an error.
#[must_use = "the body is read when `to_file` or `stream` is called"]
pub struct Download {
    source: Source,
    head: Head,
    /// `None` while there is no connection.
    body: Option<StreamingResponse>,
    /// Bytes received of the current version of the file.
    done: u64,
    /// Largest `done` at a break of the connection.
    furthest: u64,
    /// Consecutive attempts without progress.
    attempts_without_progress: u32,
    /// The file can't be resumed: the next request is for the whole file.
    restart: bool,
    checksum: Option<Checksum>,
    report: Option<ProgressFn>,
    ended: bool,
}

/// The next part of a download.
enum DownloadEvent {
    Bytes(Bytes),
    /// The file starts again; the bytes so far are to be discarded.
    Restart,
}

impl Download {
    pub(crate) async fn open(source: Source) -> Result<Self> {
        let opened = (source.open)(identity_headers()).await?;
        let head = whole(&opened)?;
        let checksum = Checksum::from_headers(head.headers());
        Ok(Self {
            source,
            head,
            body: Some(opened),
            done: 0,
            furthest: 0,
            attempts_without_progress: 0,
            restart: false,
            checksum,
            report: None,
            ended: false,
        })
    }

    /// Returns the file name in `Content-Disposition`, without any directory.
    pub fn filename(&self) -> Option<String> {
        self.head.filename()
    }

    /// Returns the content type, e.g. `application/zip`.
    pub fn content_type(&self) -> Option<&str> {
        self.head.text(&header::CONTENT_TYPE)
    }

    /// Returns the header `Content-Disposition` unchanged.
    pub fn content_disposition(&self) -> Option<&str> {
        self.head.text(&header::CONTENT_DISPOSITION)
    }

    /// Returns the compression of the bytes (`Content-Encoding`), if any. They are not decompressed.
    pub fn content_encoding(&self) -> Option<&str> {
        self.head.text(&header::CONTENT_ENCODING)
    }

    /// Returns the length in bytes, if the server declares it.
    pub fn length(&self) -> Option<u64> {
        self.head.length
    }

    /// Calls `report` after each chunk. If the download starts again, `done` returns to 0.
    pub fn progress(mut self, report: impl FnMut(Progress) + Send + 'static) -> Self {
        self.report = Some(Box::new(report));
        self
    }

    /// Returns the next part; `None` when the file is complete. Reconnects when needed.
    async fn next(&mut self) -> Option<Result<DownloadEvent>> {
        while !self.ended {
            let error = match &mut self.body {
                Some(_) if self.head.length == Some(self.done) => break,
                None => match self.connect().await {
                    Ok(None) => continue,
                    Ok(Some(restart)) => return Some(Ok(restart)),
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

    fn accept(&mut self, piece: Bytes) -> Result<DownloadEvent> {
        self.done = self.done.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        if let Some(length) = self.head.length.filter(|length| self.done > *length) {
            self.ended = true;
            return Err(damaged(&format!("it is longer than the {length} bytes that the server declares")));
        }
        if self.done >= self.furthest.saturating_add(MIN_PROGRESS) {
            self.attempts_without_progress = 0;
        }
        if let Some(checksum) = &mut self.checksum {
            checksum.update(&piece);
        }
        self.report_progress();
        Ok(DownloadEvent::Bytes(piece))
    }

    fn report_progress(&mut self) {
        if let Some(report) = &mut self.report {
            report(Progress { done: self.done, total: self.head.length });
        }
    }

    /// Waits before the next attempt. Returns the error if there is none.
    async fn retry_after_break(&mut self, error: Error) -> Result<()> {
        let passing = matches!(
            error.kind(),
            ErrorKind::Unreachable | ErrorKind::Timeout | ErrorKind::RateLimited | ErrorKind::Server
        );
        if !passing
            || error.is_permanent()
            || !self.source.retry.allows_attempt(1)
            || self.attempts_without_progress >= MAX_EMPTY_ATTEMPTS
        {
            return Err(error);
        }
        self.furthest = self.furthest.max(self.done);
        self.attempts_without_progress += 1;
        let pause =
            RetryPolicy::delay_after(self.attempts_without_progress, &error).min(RetryPolicy::MAX_BACKOFF);
        tracing::debug!(done = self.done, ?pause, %error, "download interrupted, resuming");
        self.source.clock.sleep(pause).await;
        Ok(())
    }

    /// Requests the rest of the file, or the whole file if it can't be resumed.
    async fn connect(&mut self) -> Result<Option<DownloadEvent>> {
        loop {
            let mut headers = identity_headers();
            let validator = self.head.validator.clone().filter(|_| self.done > 0 && !self.restart);
            if let Some(validator) = &validator {
                headers.insert(header::RANGE, range_from(self.done)?);
                headers.insert(header::IF_RANGE, validator.clone());
            }
            let opened = match (self.source.open)(headers).await {
                Ok(opened) => opened,
                // The file is now shorter than what was received: it has changed.
                Err(error) if error.status() == Some(416) && validator.is_some() => {
                    self.restart = true;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if validator.is_some() && opened.status == 206 {
                self.head.length = match self.head.resumed_length(&opened, self.done) {
                    None => {
                        self.restart = true;
                        continue;
                    }
                    length => length,
                };
                self.body = Some(opened);
                return Ok(None);
            }
            self.head = whole(&opened)?;
            self.checksum = Checksum::from_headers(self.head.headers());
            self.body = Some(opened);
            (self.done, self.restart) = (0, false);
            self.report_progress();
            return Ok(Some(DownloadEvent::Restart));
        }
    }
}

/// Returns headers that ask for the bytes without compression on the way, so that lengths and ranges are those of the
/// file.
fn identity_headers() -> HeaderMap {
    HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))])
}

fn range_from(start: u64) -> Result<HeaderValue> {
    HeaderValue::try_from(format!("bytes={start}-"))
        .map_err(|cause| Error::new(ErrorKind::InvalidArgument, cause.to_string()))
}

/// Returns the head of a response with the whole file.
fn whole(opened: &StreamingResponse) -> Result<Head> {
    let text = match opened.status {
        200 => return Ok(Head::of(opened)),
        206 => "status 206: a part of the file, but the whole file was requested".to_owned(),
        status => format!("status {status}: expected 200 with the file"),
    };
    let error = Error::new(ErrorKind::Decode, text).with_operation(opened.operation.clone());
    Err(error.with_status(opened.status).with_sent(true))
}

/// Returns the error for a body that is shorter than declared.
fn broken_off(body: &StreamingResponse) -> Error {
    Error::new(ErrorKind::Unreachable, "the body ended before its declared length")
        .with_operation(body.operation.clone())
        .with_status(body.status)
        .with_sent(true)
}

fn damaged(why: &str) -> Error {
    Error::new(ErrorKind::Decode, format!("the file is damaged: {why}"))
        .with_sent(true)
        .with_help("download it again; if it fails again, the server's copy is damaged or a proxy changes it")
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { done, attempts_without_progress, .. } = self;
        let length = self.head.length;
        f.debug_struct("Download")
            .field("done", done)
            .field("length", &length)
            .field("attempts_without_progress", attempts_without_progress)
            .finish_non_exhaustive()
    }
}
