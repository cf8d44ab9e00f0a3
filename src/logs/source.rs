//! Where lines come from, and how they are asked for: the cloud, or this device's own journal.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::time::Instant;

use crate::api::device::Way;
use crate::api::keys::DeviceKey;
use crate::api::read::{about, one, rows};
use crate::api::rows::Device;
use crate::core::{Core, Plain};
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Opened, Reply};
use crate::odata::Query;
use crate::supervisor::{self, JournalQuery};

use super::line::LogLine;
use super::{Count, journal, line};

/// Characters that stay as they are in a query value.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What `journalctl` takes for "all".
const MOST: u32 = i32::MAX.unsigned_abs();
/// The head of an answer comes with its first line, or with the first beat after 58 s.
const HEAD_LIMIT: Duration = Duration::from_secs(90);
/// Entries that are asked for again after a break.
const AGAIN: u32 = 1000;

/// Which lines, besides those to come.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) count: Option<Count>,
    pub(super) start: Option<String>,
}

impl Wanted {
    /// # Errors
    /// `is_invalid_argument` for a start that is no time: the server would take it for none at all.
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
            Error::argument("start", format!("`{start}` is no time; one looks like 2024-01-15T10:00:00Z"))
        })
    }

    /// Whether nothing of what was before is wanted.
    pub(super) fn is_nothing(&self) -> bool {
        matches!(self.count, None | Some(Count(Some(0)))) && self.start.is_none()
    }

    fn query(&self, stream: bool) -> String {
        let count = self.count.map(|Count(count)| count.map_or("all".to_owned(), |count| count.to_string()));
        let start = self.start.as_ref().map(|start| utf8_percent_encode(start, QUERY).to_string());
        let pairs = [("stream", stream.then(|| "1".to_owned())), ("count", count), ("start", start)];
        let pairs: Vec<String> =
            pairs.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?))).collect();
        if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
    }
}

/// One log and the way to it.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Cloud {
        key: DeviceKey,
        /// Once it is known.
        uuid: Option<Arc<str>>,
    },
    Journal {
        uuid: Option<Arc<str>>,
    },
}

/// Lines as they arrive, not yet cut.
#[derive(Debug)]
pub(super) enum Feed {
    Cloud(Opened),
    Journal(supervisor::Opened),
}

/// A log that is open.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) feed: Feed,
    pub(super) source: Source,
    /// When it was opened (ms), by the clock of the other side.
    pub(super) at: Option<i64>,
}

impl Source {
    pub(super) fn new(core: &Core, way: Way) -> Self {
        match way {
            Way::There(key) => Self::Cloud { key, uuid: None },
            Way::Here => Self::Journal { uuid: core.env.device_uuid.as_deref().map(Arc::from) },
        }
    }

    /// The device's whole uuid, or until that is known what the caller calls it.
    pub(super) fn device(&self) -> Arc<str> {
        match self {
            Self::Cloud { uuid: Some(uuid), .. } | Self::Journal { uuid: Some(uuid) } => uuid.clone(),
            Self::Cloud { key, .. } => key.to_string().into(),
            Self::Journal { .. } => "this device".into(),
        }
    }

    /// What is known without asking anybody.
    ///
    /// # Errors
    /// `is_invalid_argument`; `is_unauthorized` when the session has expired; `is_config` without the supervisor's
    /// variables.
    pub(super) fn check(&self, core: &Core, wanted: &Wanted) -> Result<()> {
        let Self::Cloud { key, .. } = self else { return core.supervisor.link().map(drop) };
        key.check()?;
        if wanted.start.is_some() && wanted.count.is_none() {
            return Err(Error::argument("start", "the cloud takes it with a count only")
                .help("add how many lines there may be, or `.count(All)`"));
        }
        core.login().map(drop)
    }

    /// Opens the log for what is wanted of it.
    pub(super) async fn open(self, core: Arc<Core>, wanted: Wanted) -> Result<Start> {
        match self {
            Self::Cloud { key, uuid } => {
                let uuid = match uuid {
                    Some(uuid) => uuid,
                    None => find(&core, &key).await?,
                };
                let path = path(&uuid, &wanted, true);
                let asked = Instant::now();
                let plain = Plain { timeout: Some(HEAD_LIMIT), ..Plain::get(path) };
                let opened = core.open(plain).await.map_err(for_a_user)?;
                let at = opened.headers.get(header::DATE).and_then(|date| date.to_str().ok());
                let at = at.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
                // The head may have waited for a line.
                let waited = i64::try_from(asked.elapsed().as_secs()).unwrap_or_default();
                let at = at.map(|date| (date.timestamp().as_second() - waited).saturating_mul(1000));
                Ok(Start { feed: Feed::Cloud(opened), source: Self::Cloud { key, uuid: Some(uuid) }, at })
            }
            Self::Journal { .. } => {
                let at = core.http.clock.now().as_millisecond();
                let mut query = JournalQuery::new().follow().all().format("json");
                if let Some(start) = wanted.starting()? {
                    query = query.since(format!("@{}", start.as_second()));
                }
                query = match wanted.count {
                    Some(Count(Some(count @ 1..))) => query.count(count),
                    Some(Count(None)) => query.count(MOST),
                    // It would show the last ten; the one that is shown now is too old and left out.
                    _ if wanted.is_nothing() => query.count(1),
                    _ => query,
                };
                let opened = core.supervisor.open_journal(query).await?;
                Ok(Start { feed: Feed::Journal(opened), source: self, at: Some(at) })
            }
        }
    }

    /// What to ask for after a break, when all from this time on (ms) has to come again.
    pub(super) fn again(&self, from: i64) -> Wanted {
        match self {
            // Who asks for nothing in particular gets what came lately only.
            Self::Cloud { .. } => Wanted { count: Some(Count(None)), start: Some(from.to_string()) },
            // Supervisors before 14.7 know no times.
            Self::Journal { .. } => Wanted { count: Some(Count(Some(AGAIN))), start: None },
        }
    }

    /// Whether the other side tells something that was before, although it was not asked to.
    pub(super) fn tells_too_much(&self, wanted: &Wanted) -> bool {
        matches!(self, Self::Journal { .. }) && wanted.is_nothing()
    }

    /// Whether a line is no entry but a remark of journalctl about them.
    pub(super) fn is_remark(&self, text: &[u8]) -> bool {
        matches!(self, Self::Journal { .. }) && supervisor::is_remark(text)
    }

    /// Reads a line. With it comes what tells it from all others, where the other side says that.
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

    /// What was asked, for errors.
    pub(super) fn operation(&self) -> &str {
        match self {
            Self::Cloud(opened) => &opened.operation,
            Self::Journal(opened) => &opened.operation,
        }
    }
}

/// The last lines of a device (`GET /device/v2/<uuid>/logs`).
pub(super) async fn history(core: &Core, key: &DeviceKey, wanted: &Wanted) -> Result<Reply> {
    wanted.check()?;
    let uuid = find(core, key).await?;
    core.plain(Plain::get(path(&uuid, wanted, false))).await.map_err(for_a_user)
}

fn path(uuid: &str, wanted: &Wanted, stream: bool) -> String {
    format!("/device/v2/{uuid}/logs{}", wanted.query(stream))
}

/// The device's whole uuid, by which its log is found.
async fn find(core: &Core, key: &DeviceKey) -> Result<Arc<str>> {
    #[derive(Deserialize)]
    struct Row {
        uuid: Option<String>,
    }
    let target = key.target::<Device>(Query::new().select(["uuid"]))?;
    let reply = core.read(target.resource, target.key.as_ref(), &target.defaults).await?;
    let row: Row = one(target.missing, rows(&reply)?, &target.sought, &reply)?;
    let uuid =
        row.uuid.filter(|uuid| !uuid.is_empty() && uuid.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    uuid.map(Arc::from).ok_or_else(|| {
        about(&reply, ErrorKind::Decode, format!("the answer lacks the uuid of {}", target.sought))
            .help("may the token read it? What a key may not read is left out")
    })
}

/// Advice for the one refusal that surprises.
fn for_a_user(error: Error) -> Error {
    if error.is_unauthorized() && error.was_sent() {
        error.help(
            "logs are for users: the token is wrong or expired, or it is a device's own key; on the device follow \
             its journal, with `subscribe(None)`",
        )
    } else {
        error
    }
}
