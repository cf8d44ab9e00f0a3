//! The host's journal: queries and lines (reference section 3.6).

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use serde_json::{Map, Value};

use crate::error::{Error, Result};

use super::client::Supervisor;
use super::endpoint as e;
use super::logs::LineReader;
use super::request::RequestSpec;
use super::response::StreamingResponse;

/// Number of digits of a container id that the engine's journald driver uses as tag.
const TAG: usize = 12;
/// Number of digits of a full container id.
const WHOLE: usize = 64;

/// A query of the journal. Default: all entries, in journalctl's `short` format.
#[derive(Debug, Clone, Default)]
pub struct JournalQuery {
    fields: Map<String, Value>,
    refused: Option<(&'static str, String)>,
}

impl JournalQuery {
    /// Creates a query for the whole journal.
    pub fn new() -> Self {
        Self::default()
    }

    fn set(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        let value = value.into();
        if value.as_str().is_some_and(str::is_empty) {
            return self.refuse(name, "it is empty");
        }
        self.fields.insert(name.into(), value);
        self
    }

    fn refuse(mut self, name: &'static str, why: impl Into<String>) -> Self {
        self.refused = Some((name, why.into()));
        self
    }

    /// Follows new lines until the stream is dropped.
    pub fn follow(self) -> Self {
        self.set("follow", true)
    }

    /// Shows fields in full, including unprintable ones.
    pub fn all(self) -> Self {
        self.set("all", true)
    }

    /// Limits the output to the last `count` lines. Zero is rejected: the supervisor treats it as "all".
    pub fn count(self, count: u32) -> Self {
        if count == 0 {
            return self.refuse("count", "it is zero, which the supervisor treats as `all`");
        }
        self.set("count", count)
    }

    /// Selects one systemd unit, e.g. `balena-supervisor.service`.
    pub fn unit(self, unit: impl Into<String>) -> Self {
        self.set("unit", unit.into())
    }

    /// Selects one container by its id ([`Supervisor::container_id`]): the full id or at least its first 12 digits.
    /// The first 12 are sent: the engine tags a container's lines with them, and the supervisor matches exactly.
    pub fn container(self, container_id: impl Into<String>) -> Self {
        let id = container_id.into();
        let hex = !id.is_empty() && id.bytes().all(|digit| digit.is_ascii_hexdigit());
        match id.get(..TAG).filter(|_| hex && id.len() <= WHOLE) {
            Some(tag) => self.set("containerId", tag.to_ascii_lowercase()),
            None if hex => self
                .refuse("containerId", format!("\"{id}\" has {} digits, and not {TAG} to {WHOLE}", id.len())),
            None => {
                let why = format!(
                    "\"{}\" is no container id, which has hexadecimal digits only",
                    id.escape_debug()
                );
                self.refuse("containerId", why)
            }
        }
    }

    /// Sets journalctl's output format: `short`, `json`, `cat` … (supervisor ≥ 10.3).
    pub fn format(self, format: impl Into<String>) -> Self {
        self.set("format", format.into())
    }

    /// Selects entries from this time on, in journalctl's syntax: `2026-11-23 12:00:00`, `-1h` (supervisor ≥ 14.7).
    pub fn since(self, since: impl Into<String>) -> Self {
        self.set("since", since.into())
    }

    /// Selects entries up to this time (supervisor ≥ 14.7).
    pub fn until(self, until: impl Into<String>) -> Self {
        self.set("until", until.into())
    }

    fn remarks(&self) -> Remarks {
        match self.fields.get("format").and_then(Value::as_str) {
            Some("cat" | "export") => Remarks::AmongMessages { begun: false },
            _ => Remarks::AmongEntries,
        }
    }

    fn spec(self) -> Result<RequestSpec> {
        match self.refused {
            Some((name, why)) => Err(Error::argument(name, why)),
            None => {
                Ok(RequestSpec::new(&e::JOURNAL_LOGS, "/v2/journal-logs").body(Value::Object(self.fields)))
            }
        }
    }
}

/// How journalctl's own messages are distinguished from entries.
#[derive(Debug)]
enum Remarks {
    /// Lines of entries start with a time, a brace or white space.
    AmongEntries,
    /// Lines of entries are messages without prefix, which may look like a journalctl message. Then only messages at
    /// the position where journalctl prints them count.
    AmongMessages { begun: bool },
}

impl Remarks {
    fn include(&mut self, line: &[u8]) -> bool {
        let remark = Remark::read(line);
        match self {
            Self::AmongEntries => remark.is_some(),
            Self::AmongMessages { begun } => {
                let first = !std::mem::replace(begun, true);
                match remark {
                    Some(Remark::NoEntries | Remark::Begins) => first,
                    Some(Remark::Boot { id }) => id,
                    Some(Remark::Reboot | Remark::Cursor) | None => false,
                }
            }
        }
    }
}

/// A line printed by journalctl itself among the entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remark {
    /// `-- No entries --`.
    NoEntries,
    /// `-- Boot … --`; `id`: with a full boot id.
    Boot { id: bool },
    /// `-- Reboot --`, in older versions.
    Reboot,
    /// `-- Journal begins at … --`, or `-- Logs begin at … --` in older versions.
    Begins,
    /// `-- cursor: …`.
    Cursor,
}

impl Remark {
    fn read(line: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(line).ok()?.trim_ascii_end().strip_prefix("-- ")?;
        if text.starts_with("cursor: ") {
            return Some(Self::Cursor);
        }
        match text.strip_suffix(" --")? {
            "No entries" => Some(Self::NoEntries),
            "Reboot" => Some(Self::Reboot),
            begins if begins.starts_with("Journal begins at ") || begins.starts_with("Logs begin at ") => {
                Some(Self::Begins)
            }
            boot => {
                let id = boot.strip_prefix("Boot ")?;
                Some(Self::Boot { id: id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit()) })
            }
        }
    }
}

/// Returns whether a line of the `json` format is a message of journalctl and no entry.
pub(crate) fn is_remark(line: &[u8]) -> bool {
    Remark::read(line).is_some()
}

/// Lines of the journal as journalctl prints them: a `Stream` of text without line ends. Lines are truncated after
/// 256 KiB. Messages of journalctl itself, e.g. `-- No entries --`, are omitted.
///
/// An invalid unit or format gives an **empty** stream: the supervisor reports no error. Dropping the stream ends
/// journalctl.
pub struct JournalLines {
    lines: LineReader,
    remarks: Remarks,
}

impl Stream for JournalLines {
    type Item = Result<String>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            let Some(line): Option<Bytes> = ready!(this.lines.poll_line(cx)).transpose()? else {
                return Poll::Ready(None);
            };
            if !this.remarks.include(&line) {
                return Poll::Ready(Some(Ok(String::from_utf8_lossy(&line).into_owned())));
            }
        }
    }
}

impl JournalLines {
    /// Returns the next line; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<String>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl fmt::Debug for JournalLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JournalLines")
    }
}

impl Supervisor {
    /// Reads the host's journal (`POST /v2/journal-logs`): entries **of the whole host**, not only of this
    /// application. Neither update locks nor the key's scope apply.
    ///
    /// # Errors
    /// `is_invalid_argument` for an empty value, a count of zero or an invalid container id, and the errors of any
    /// call. A stream that breaks later yields `is_unreachable` as its last item.
    pub async fn journal_logs(&self, query: JournalQuery) -> Result<JournalLines> {
        let remarks = query.remarks();
        Ok(JournalLines { lines: LineReader::new(self.open_journal(query).await?), remarks })
    }

    /// Opens the journal as an unparsed stream.
    pub(crate) async fn open_journal(&self, query: JournalQuery) -> Result<StreamingResponse> {
        self.open_stream(query.spec()?, self.patience()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(id: &str) -> std::result::Result<Option<Value>, String> {
        let query = JournalQuery::new().container(id);
        match query.spec() {
            Ok(spec) => Ok(spec.body.and_then(|body| body.get("containerId").cloned())),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn a_container_is_named_by_the_tag_of_its_lines() {
        let whole = "f00dfeedBEEF0123456789abcdef0123456789abcdef0123456789abcdef0123";
        for id in [whole, "f00dfeedbeef", "f00dfeedbeef01"] {
            assert_eq!(container(id), Ok(Some("f00dfeedbeef".into())), "{id}");
        }
        let long = format!("{whole}0");
        for id in ["", "f00dfeed", "main", "f00dfeedbeeg", "f00dfeedbeef ", "éééééé", &long] {
            let error = container(id).unwrap_err();
            assert!(error.contains("containerId"), "{id}: {error}");
        }
    }

    /// Lines of one response in a format, and those that remain.
    #[test]
    fn remarks_of_journalctl_are_no_lines_of_data() {
        const ENTRY: &str = "Nov 23 12:00:00 host f00dfeedbeef[7]: -- No entries --";
        const BOOT: &str = "-- Boot 0123456789abcdef0123456789abcdef --";
        const BEGINS: &str =
            "-- Journal begins at Mon 2026-11-23 10:00:00 UTC, ends at Mon 2026-11-23 12:00:00 UTC. --";
        const LOGS: &str = "-- Logs begin at Mon 2026-11-23 10:00:00 UTC. --";
        const JSON: &str = r#"{"MESSAGE":"-- Boot 1 --"}"#;
        let table: [(&str, &[&str], &[&str]); 9] = [
            ("short", &["-- No entries --"], &[]),
            ("short", &[BEGINS, ENTRY, BOOT, "-- Reboot --", ENTRY], &[ENTRY, ENTRY]),
            ("short-iso", &[LOGS, ENTRY, "-- cursor: s=1;i=2"], &[ENTRY]),
            ("short", &["    -- No entries --", "-- neither --"], &["    -- No entries --", "-- neither --"]),
            ("json", &["-- No entries --"], &[]),
            ("json", &[BEGINS, JSON, BOOT, "-- Reboot --", JSON], &[JSON, JSON]),
            ("cat", &["-- No entries --"], &[]),
            ("cat", &[BEGINS, "a", BOOT, "-- Boot sequence --"], &["a", "-- Boot sequence --"]),
            ("cat", &["a", "-- No entries --", "-- Reboot --"], &["a", "-- No entries --", "-- Reboot --"]),
        ];
        for (format, lines, left) in table {
            let mut remarks = JournalQuery::new().format(format).remarks();
            let kept: Vec<&str> =
                lines.iter().copied().filter(|line| !remarks.include(line.as_bytes())).collect();
            assert_eq!(kept, left, "{format}: {lines:?}");
        }
    }
}
