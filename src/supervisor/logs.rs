//! Streams: the host's journal, and the logs of local mode (reference section 3.6).

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::http::{Line, Lines};

use super::call::{Opened, Spec};
use super::endpoint as e;
use super::link::Supervisor;

/// What to read from the journal. By default all of it, in journalctl's `short` format.
#[derive(Debug, Clone, Default)]
pub struct JournalQuery {
    fields: Map<String, Value>,
    refused: Option<&'static str>,
}

impl JournalQuery {
    /// The whole journal.
    pub fn new() -> Self {
        Self::default()
    }

    fn set(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        let value = value.into();
        if value.as_str().is_some_and(str::is_empty) {
            self.refused = Some(name);
        }
        self.fields.insert(name.into(), value);
        self
    }

    /// Goes on with new lines as they come, until dropped.
    pub fn follow(self) -> Self {
        self.set("follow", true)
    }

    /// Fields in full, also those that can't be printed.
    pub fn all(self) -> Self {
        self.set("all", true)
    }

    /// The last `count` lines only. Zero is refused: the supervisor would take it as "all".
    pub fn count(self, count: u32) -> Self {
        let mut query = self.set("count", count);
        if count == 0 {
            query.refused = Some("count");
        }
        query
    }

    /// One systemd unit only, e.g. `balena-supervisor.service`.
    pub fn unit(self, unit: impl Into<String>) -> Self {
        self.set("unit", unit.into())
    }

    /// One container only, by its id ([`Supervisor::container_id`]).
    pub fn container(self, container_id: impl Into<String>) -> Self {
        self.set("containerId", container_id.into())
    }

    /// Output format of journalctl: `short`, `json`, `cat` … (supervisor ≥ 10.3).
    pub fn format(self, format: impl Into<String>) -> Self {
        self.set("format", format.into())
    }

    /// From this time on, as journalctl writes it: `2026-11-23 12:00:00`, `-1h` (supervisor ≥ 14.7).
    pub fn since(self, since: impl Into<String>) -> Self {
        self.set("since", since.into())
    }

    /// Up to this time (supervisor ≥ 14.7).
    pub fn until(self, until: impl Into<String>) -> Self {
        self.set("until", until.into())
    }

    fn spec(self) -> Result<Spec> {
        match self.refused {
            Some(name) => Err(Error::argument(name, "it is empty or zero")),
            None => Ok(Spec::new(&e::JOURNAL_LOGS, "/v2/journal-logs").body(Value::Object(self.fields))),
        }
    }
}

/// Lines of the journal as journalctl prints them: a `Stream` of text without line ends. Of a line that is
/// longer than 256 KiB the rest is dropped.
///
/// A bad unit or format is an **empty** stream: the supervisor does not tell. Dropping it ends journalctl.
pub struct JournalLines(Cut);

impl Stream for JournalLines {
    type Item = Result<String>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0
            .poll_line(cx)
            .map(|line| line.map(|line| line.map(|line| String::from_utf8_lossy(&line).into_owned())))
    }
}

impl JournalLines {
    /// The next line; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<String>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl fmt::Debug for JournalLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JournalLines")
    }
}

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

/// Logs of the services in local mode: a `Stream` that never ends. Lines that can't be read are skipped
/// and counted.
pub struct LocalLogs {
    lines: Cut,
    skipped: u64,
}

impl LocalLogs {
    /// Lines that could not be read so far.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The next message.
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
                // serde would read a list as the fields in their order.
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
    /// Reads the host's journal (`POST /v2/journal-logs`): **of the whole host**, not of this application
    /// only. Needs no update lock and no scope.
    ///
    /// # Errors
    /// Those of opening it; a stream that breaks later yields `is_unreachable` as its last item.
    pub async fn journal_logs(&self, query: JournalQuery) -> Result<JournalLines> {
        Ok(JournalLines(Cut::new(self.open_journal(query).await?)))
    }

    /// The same, not yet cut into lines.
    pub(crate) async fn open_journal(&self, query: JournalQuery) -> Result<Opened> {
        self.open_stream(query.spec()?, self.patience()).await
    }

    /// Follows the services' logs in local mode (`GET /v2/local/logs`). Outside local mode it stays silent
    /// after its first message.
    ///
    /// # Errors
    /// As [`journal_logs`](Self::journal_logs).
    pub async fn local_logs(&self) -> Result<LocalLogs> {
        let opened = self.open_stream(Spec::new(&e::LOCAL_LOGS, "/v2/local/logs"), self.patience()).await?;
        Ok(LocalLogs { lines: Cut::new(opened), skipped: 0 })
    }
}

/// A body, line by line.
struct Cut {
    opened: Opened,
    lines: Lines,
    ended: bool,
}

impl Cut {
    fn new(opened: Opened) -> Self {
        Self { opened, lines: Lines::default(), ended: false }
    }

    fn poll_line(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        loop {
            if let Some(Line::Whole(line) | Line::Cut(line)) = self.lines.next() {
                return Poll::Ready(Some(Ok(line)));
            }
            if self.ended {
                // A last line without an end is a line all the same.
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
