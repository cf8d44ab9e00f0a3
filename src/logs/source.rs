//! The sources of log lines, and their requests: the API, or this device's own journal.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::time::Instant;

use crate::api::device::Route;
use crate::core::{Core, EndpointRequest};
use crate::error::{Error, ErrorKind, Result};
use crate::http::{BufferedResponse, StreamingResponse};
use crate::odata::Query;
use crate::resource::keys::DeviceKey;
use crate::resource::read::{exactly_one, response_error, rows};
use crate::rows::Device;
use crate::supervisor::{self, JournalQuery};

use super::line::LogLine;
use super::{LineCount, journal, line};

/// The characters not encoded in a query value.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The count that stands for "all" in `journalctl`.
const MOST: u32 = i32::MAX.unsigned_abs();
/// Deadline of the response head: the API sends it with the first line, or with the first heartbeat after 58 s.
const HEAD_LIMIT: Duration = Duration::from_secs(90);
/// Number of journal entries requested again after a break.
const RECONNECT_LINES: u32 = 1000;

/// Which earlier lines to request besides new ones.
#[derive(Debug, Clone, Default)]
pub(super) struct LineSelection {
    pub(super) count: Option<LineCount>,
    pub(super) start: Option<String>,
}

impl LineSelection {
    /// # Errors
    /// `is_invalid_argument` if the start is not a time: the API would ignore it.
    pub(super) fn check(&self) -> Result<()> {
        self.starting().map(drop)
    }

    fn starting(&self) -> Result<Option<Timestamp>> {
        let Some(start) = &self.start else { return Ok(None) };
        let time = match start.parse() {
            Ok(ms) => Timestamp::from_millisecond(ms),
            Err(_) => start.parse(),
        };
        time.map(Some).map_err(|_| {
            Error::argument(
                "start",
                format!("`{start}` is not a time; expected a form such as 2024-01-15T10:00:00Z"),
            )
        })
    }

    /// Returns whether no earlier lines are requested.
    pub(super) fn is_nothing(&self) -> bool {
        matches!(self.count, None | Some(LineCount(Some(0)))) && self.start.is_none()
    }

    fn query(&self, stream: bool) -> String {
        let count =
            self.count.map(|LineCount(count)| count.map_or("all".to_owned(), |count| count.to_string()));
        let start = self.start.as_ref().map(|start| utf8_percent_encode(start, QUERY).to_string());
        let pairs = [("stream", stream.then(|| "1".to_owned())), ("count", count), ("start", start)];
        let pairs: Vec<String> =
            pairs.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?))).collect();
        if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
    }
}

/// One log, and where it is read from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Cloud {
        key: DeviceKey,
        /// The full uuid, once known.
        uuid: Option<Arc<str>>,
    },
    Journal {
        uuid: Option<Arc<str>>,
    },
}

/// A stream of bytes, not yet split into lines.
#[derive(Debug)]
pub(super) enum Feed {
    Cloud(StreamingResponse),
    Journal(supervisor::StreamingResponse),
}

/// An open log.
#[derive(Debug)]
pub(super) struct OpenLog {
    pub(super) feed: Feed,
    pub(super) source: Source,
    /// When the log was opened (ms), by the server's clock.
    pub(super) at: Option<i64>,
}

impl Source {
    pub(super) fn new(core: &Core, way: Route) -> Self {
        match way {
            Route::There(key) => Self::Cloud { key, uuid: None },
            Route::Here => Self::Journal { uuid: core.env.device_uuid.as_deref().map(Arc::from) },
        }
    }

    /// Returns the device's full uuid, or the caller's key for it until the uuid is known.
    pub(super) fn device(&self) -> Arc<str> {
        match self {
            Self::Cloud { uuid: Some(uuid), .. } | Self::Journal { uuid: Some(uuid) } => uuid.clone(),
            Self::Cloud { key, .. } => key.to_string().into(),
            Self::Journal { .. } => "this device".into(),
        }
    }

    /// Checks what needs no request.
    ///
    /// # Errors
    /// `is_invalid_argument` if the key is malformed or the start time is invalid; `is_unauthorized` if the session
    /// has expired; `is_config` without the supervisor's variables.
    pub(super) fn check(&self, core: &Core, wanted: &LineSelection) -> Result<()> {
        let Self::Cloud { key, .. } = self else { return core.supervisor.connection().map(drop) };
        key.check()?;
        if wanted.start.is_some() && wanted.count.is_none() {
            return Err(Error::argument("start", "the API needs a count with it")
                .with_help("add `.count(…)` with the number of lines, or `.count(All)`"));
        }
        core.login_token().map(drop)
    }

    /// Opens the log.
    pub(super) async fn open(self, core: Arc<Core>, wanted: LineSelection) -> Result<OpenLog> {
        match self {
            Self::Cloud { key, uuid } => {
                let uuid = match uuid {
                    Some(uuid) => uuid,
                    None => find(&core, &key).await?,
                };
                let path = path(&uuid, &wanted, true);
                let asked = Instant::now();
                let plain = EndpointRequest { timeout: Some(HEAD_LIMIT), ..EndpointRequest::get(path) };
                let opened = core.stream(plain).await.map_err(for_a_user)?;
                let at = opened.headers.get(header::DATE).and_then(|date| date.to_str().ok());
                let at = at.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
                // The API may have delayed the response head until the first line.
                let waited = i64::try_from(asked.elapsed().as_secs()).unwrap_or_default();
                let at = at.map(|date| (date.timestamp().as_second() - waited).saturating_mul(1000));
                Ok(OpenLog { feed: Feed::Cloud(opened), source: Self::Cloud { key, uuid: Some(uuid) }, at })
            }
            Self::Journal { .. } => {
                let at = core.http.clock.now().as_millisecond();
                let mut query = JournalQuery::new().follow().all().format("json");
                if let Some(start) = wanted.starting()? {
                    query = query.since(format!("@{}", start.as_second()));
                }
                query = match wanted.count {
                    Some(LineCount(Some(count @ 1..))) => query.count(count),
                    Some(LineCount(None)) => query.count(MOST),
                    // `journalctl` shows ten entries by default. One is the least; it is dropped as too old.
                    _ if wanted.is_nothing() => query.count(1),
                    _ => query,
                };
                let opened = core.supervisor.open_journal(query).await?;
                Ok(OpenLog { feed: Feed::Journal(opened), source: self, at: Some(at) })
            }
        }
    }

    /// Returns what to request after a break, to get all lines from this time (ms) on again.
    pub(super) fn again(&self, from: i64) -> LineSelection {
        match self {
            // Without a count, the API sends recent lines only.
            Self::Cloud { .. } => {
                LineSelection { count: Some(LineCount(None)), start: Some(from.to_string()) }
            }
            // Supervisors before 14.7 do not accept a start time.
            Self::Journal { .. } => {
                LineSelection { count: Some(LineCount(Some(RECONNECT_LINES))), start: None }
            }
        }
    }

    /// Returns whether the source sends earlier lines that were not requested.
    pub(super) fn sends_unrequested(&self, wanted: &LineSelection) -> bool {
        matches!(self, Self::Journal { .. }) && wanted.is_nothing()
    }

    /// Returns whether a line is a remark of journalctl rather than an entry.
    pub(super) fn is_remark(&self, text: &[u8]) -> bool {
        matches!(self, Self::Journal { .. }) && supervisor::is_remark(text)
    }

    /// Parses a line. Returns it and its cursor, if the source has one.
    pub(super) fn read(&self, text: &[u8]) -> Result<(LogLine, Option<String>), String> {
        match self {
            Self::Cloud { .. } => line::read(text).map(|line| (line, None)),
            Self::Journal { .. } => journal::read(text),
        }
    }
}

impl Feed {
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        match self {
            Self::Cloud(opened) => opened.poll_next(cx),
            Self::Journal(opened) => opened.poll_next(cx),
        }
    }

    /// Returns the request for error messages.
    pub(super) fn operation(&self) -> &str {
        match self {
            Self::Cloud(opened) => &opened.operation,
            Self::Journal(opened) => &opened.operation,
        }
    }
}

/// Reads the last lines of a device (`GET /device/v2/<uuid>/logs`).
pub(super) async fn history(
    core: &Core,
    key: &DeviceKey,
    wanted: &LineSelection,
) -> Result<BufferedResponse> {
    wanted.check()?;
    let uuid = find(core, key).await?;
    core.send(EndpointRequest::get(path(&uuid, wanted, false))).await.map_err(for_a_user)
}

fn path(uuid: &str, wanted: &LineSelection, stream: bool) -> String {
    format!("/device/v2/{uuid}/logs{}", wanted.query(stream))
}

/// Looks up the device's full uuid, which the log's address needs.
async fn find(core: &Core, key: &DeviceKey) -> Result<Arc<str>> {
    #[derive(Deserialize)]
    struct Row {
        uuid: Option<String>,
    }
    let target = key.target::<Device>(Query::new().select(["uuid"]))?;
    let response = core.read(target.resource, target.key.as_ref(), &target.defaults).await?;
    let row: Row = exactly_one(target.not_found_kind, rows(&response)?, &target.subject, &response)?;
    let uuid =
        row.uuid.filter(|uuid| !uuid.is_empty() && uuid.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    uuid.map(Arc::from).ok_or_else(|| {
        response_error(
            &response,
            ErrorKind::Decode,
            format!("the response lacks the uuid of {}", target.subject),
        )
        .with_help("check that the token may read it: the API omits what a key may not read")
    })
}

/// Adds help to the error that a device's own key gets.
fn for_a_user(error: Error) -> Error {
    if error.is_unauthorized() && error.was_sent() {
        error.with_help(
            "logs are for users: the token is wrong or expired, or it is a device's own key; on the device follow \
             its journal, with `subscribe(None)`",
        )
    } else {
        error
    }
}
