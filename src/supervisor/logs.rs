//! The logs of local mode, and the splitting of a stream into lines (reference section 3.6).

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::http::{Line, LineDecoder};

use super::client::Supervisor;
use super::endpoint as e;
use super::request::RequestSpec;
use super::response::StreamingResponse;

/// One message of `GET /v2/local/logs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LocalLog {
    /// The text.
    pub message: String,
    /// When it was written.
    #[serde(default, with = "jiff::fmt::serde::timestamp::millisecond::optional")]
    pub timestamp: Option<Timestamp>,
    /// The service that wrote it.
    #[serde(default, rename = "serviceName", skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    /// Id of that service.
    #[serde(default, rename = "serviceId", skip_serializing_if = "Option::is_none")]
    pub service_id: Option<crate::ids::ServiceId>,
    /// Whether the supervisor itself wrote it.
    #[serde(default, rename = "isSystem", skip_serializing_if = "Option::is_none")]
    pub is_system: Option<bool>,
}

/// Logs of the services in local mode: a `Stream` without end. Lines that can't be parsed are skipped and counted.
pub struct LocalLogs {
    lines: LineReader,
    skipped: u64,
}

impl LocalLogs {
    /// Returns the number of skipped lines so far.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Returns the next message.
    pub async fn next(&mut self) -> Option<Result<LocalLog>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for LocalLogs {
    type Item = Result<LocalLog>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(line) = ready!(self.lines.poll_line(cx)).transpose()? else { return Poll::Ready(None) };
            match serde_json::from_slice(&line) {
                // serde would read a list as the fields of a struct.
                Ok(log) if line.trim_ascii_start().first() == Some(&b'{') => {
                    return Poll::Ready(Some(Ok(log)));
                }
                Err(_) if line.iter().all(u8::is_ascii_whitespace) => {}
                _ => self.skipped += 1,
            }
        }
    }
}

impl fmt::Debug for LocalLogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalLogs").field("skipped", &self.skipped).finish_non_exhaustive()
    }
}

impl Supervisor {
    /// Follows the services' logs in local mode (`GET /v2/local/logs`). Outside local mode the stream stays silent
    /// after its first message.
    ///
    /// # Errors
    /// Those of [`journal_logs`](Self::journal_logs), except `is_invalid_argument`.
    pub async fn local_logs(&self) -> Result<LocalLogs> {
        let opened =
            self.open_stream(RequestSpec::new(&e::LOCAL_LOGS, "/v2/local/logs"), self.patience()).await?;
        Ok(LocalLogs { lines: LineReader::new(opened), skipped: 0 })
    }
}

/// Splits a body into lines.
pub(super) struct LineReader {
    opened: StreamingResponse,
    lines: LineDecoder,
    ended: bool,
}

impl LineReader {
    pub(super) fn new(opened: StreamingResponse) -> Self {
        Self { opened, lines: LineDecoder::default(), ended: false }
    }

    pub(super) fn poll_line(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        loop {
            if let Some(Line::Whole(line) | Line::Cut(line)) = self.lines.next() {
                return Poll::Ready(Some(Ok(line)));
            }
            if self.ended {
                // A last line without a line end counts too.
                return Poll::Ready(self.lines.rest().map(Ok));
            }
            match ready!(self.opened.poll_next(cx)) {
                Some(Ok(piece)) => self.lines.push(piece),
                Some(Err(error)) => {
                    self.ended = true;
                    self.lines.rest();
                    return Poll::Ready(Some(Err(error)));
                }
                None => self.ended = true,
            }
        }
    }
}
