//! The host's journal, as `journalctl` prints it.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::{broadcast, mpsc};

use super::process::Process;
use super::{lock, values};

/// The unit all entries belong to.
const UNIT: &str = "demo.service";
/// What `journalctl` prints when nothing fits.
const NONE: &str = "-- No entries --\n";
/// Lines `--follow` starts with, unless told otherwise.
const FOLLOWED: usize = 10;
/// Pace at which the unit writes while somebody follows.
const PACE: Duration = Duration::from_secs(1);
/// Lines kept; the oldest go first.
const MOST_LINES: usize = 10_000;
/// Lines a follower may lag behind before it loses some.
const BACKLOG: usize = 256;

/// The journal of the device.
#[derive(Debug)]
pub(super) struct Journal {
    lines: Mutex<Lines>,
    news: broadcast::Sender<Entry>,
}

#[derive(Debug, Default)]
struct Lines {
    /// The last ones.
    kept: VecDeque<Entry>,
    written: usize,
}

#[derive(Debug, Clone, Default)]
struct Entry {
    /// Which one it is, from 1 on.
    number: usize,
    at: jiff::Timestamp,
    line: String,
}

/// A checked request.
#[derive(Debug)]
pub(super) struct Query {
    follow: bool,
    count: Option<usize>,
    unit: Option<String>,
    format: String,
    since: Option<String>,
    until: Option<String>,
}

impl Query {
    /// Reads a request body. An error is the failure to start `journalctl` with an argument that is not text.
    pub(super) fn parse(body: &Value) -> Result<Self, String> {
        let text = |name: &str| match body.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err("The \"args\" argument must be an array of strings".to_owned()),
        };
        let field = |name: &str| body.get(name).unwrap_or(&Value::Null);
        // Any identifier finds the same lines here: there is one writer only.
        text("containerId")?;
        Ok(Self {
            follow: values::truthy(field("follow")),
            count: values::integer(field("count"))
                .filter(|count| *count > 0)
                .and_then(|count| usize::try_from(count).ok()),
            unit: text("unit")?,
            format: text("format")?.unwrap_or_else(|| "short".to_owned()),
            since: text("since")?,
            until: text("until")?,
        })
    }

    /// Whether `journalctl` would take the arguments; it fails silently otherwise.
    fn valid(&self) -> bool {
        let times = [&self.since, &self.until];
        let known = self.unit.as_deref() != Some("") && shown(&self.format, &Entry::default()).is_some();
        known && times.into_iter().flatten().all(|time| moment(time).is_some())
    }

    /// Entries are always "now", so a bound includes all of them or none.
    fn includes_now(&self) -> bool {
        let bound = |time: &Option<String>| time.as_deref().and_then(moment).unwrap_or_default();
        !matches!(bound(&self.since), Moment::Future) && !matches!(bound(&self.until), Moment::Past)
    }

    fn names_the_unit(&self) -> bool {
        let named = |unit: &str| unit == UNIT || format!("{unit}.service") == UNIT;
        self.unit.as_deref().is_none_or(named)
    }
}

impl Journal {
    /// A journal with `entries` lines.
    pub(super) fn new(entries: usize) -> Self {
        let journal = Self { lines: Mutex::default(), news: broadcast::Sender::new(BACKLOG) };
        (0..entries).for_each(|_| journal.write_next());
        journal
    }

    /// Appends a line, for those who follow too.
    pub(super) fn write(&self, line: &str) {
        let mut lines = lock(&self.lines);
        lines.written += 1;
        let entry = Entry { number: lines.written, at: jiff::Timestamp::now(), line: line.to_owned() };
        lines.kept.push_back(entry.clone());
        if lines.kept.len() > MOST_LINES {
            lines.kept.pop_front();
        }
        drop(lines);
        // Nobody listening is fine.
        let _ = self.news.send(entry);
    }

    fn write_next(&self) {
        let line = format!("line {}", lock(&self.lines).written + 1);
        self.write(&line);
    }

    /// Prints what `query` asks for into `output`, until done or nobody reads any more.
    pub(super) async fn print(&self, query: Query, output: mpsc::Sender<Bytes>) {
        if !query.valid() {
            return;
        }
        let mut news = self.news.subscribe();
        let finds = query.names_the_unit() && query.includes_now();
        let last = query.count.or(query.follow.then_some(FOLLOWED)).unwrap_or(usize::MAX);
        let text = if finds { self.tail(&query.format, last) } else { NONE.to_owned() };
        if !text.is_empty() && output.send(text.into()).await.is_err() {
            return;
        }
        if !query.follow {
            return;
        }
        loop {
            let entry = tokio::select! {
                entry = news.recv() => entry,
                () = output.closed() => return,
                () = tokio::time::sleep(PACE) => {
                    self.write_next();
                    continue;
                }
            };
            let Ok(entry) = entry else { continue };
            let Some(text) = shown(&query.format, &entry).filter(|_| finds) else { continue };
            if output.send(text.into()).await.is_err() {
                return;
            }
        }
    }

    /// The developer's log: a greeting, then, in local mode only, what is written from now on.
    pub(super) async fn stream_local(&self, process: &Process, output: mpsc::Sender<Bytes>) {
        let mut news = self.news.subscribe();
        let greeting = json!({"message": "Streaming logs", "isSystem": true});
        if output.send(format!("{greeting}\n").into()).await.is_err() {
            return;
        }
        loop {
            let entry = tokio::select! {
                entry = news.recv() => entry,
                () = output.closed() => return,
            };
            let Ok(entry) = entry else { continue };
            if process.machine.settings(|settings| settings.local_mode()) {
                let timestamp = entry.at.as_millisecond();
                let message = json!({"message": entry.line, "timestamp": timestamp, "isSystem": false});
                if output.send(format!("{message}\n").into()).await.is_err() {
                    return;
                }
            }
        }
    }

    fn tail(&self, format: &str, last: usize) -> String {
        let lines = lock(&self.lines);
        let skipped = lines.kept.len().saturating_sub(last);
        lines.kept.iter().skip(skipped).filter_map(|entry| shown(format, entry)).collect()
    }
}

/// One line in one of `journalctl`'s formats; `None` if it has no such format.
fn shown(format: &str, entry: &Entry) -> Option<String> {
    let Entry { number, at, line } = entry;
    Some(match format {
        "cat" => format!("{line}\n"),
        "json" | "json-pretty" | "json-sse" | "json-seq" | "export" | "verbose" => {
            let (micros, cursor) = (at.as_microsecond().to_string(), format!("s=0;i={number:x}"));
            let fields = json!({"__CURSOR": cursor, "__REALTIME_TIMESTAMP": micros, "MESSAGE": line, "PRIORITY": "6", "_SYSTEMD_UNIT": UNIT});
            format!("{fields}\n")
        }
        "short" | "short-full" | "short-iso" | "short-iso-precise" | "short-precise" | "short-monotonic"
        | "short-unix" | "with-unit" => format!("Jan 01 00:00:00 devhost demo[1]: {line}\n"),
        _ => return None,
    })
}

#[derive(Debug, Default)]
enum Moment {
    Past,
    Future,
    #[default]
    Unknown,
}

/// A time in `journalctl`'s syntax; `None` if it is none.
fn moment(text: &str) -> Option<Moment> {
    let text = text.trim();
    let relative = |text: &str| text.starts_with(|first: char| first.is_ascii_digit());
    match text {
        "now" => return Some(Moment::Unknown),
        "today" | "yesterday" => return Some(Moment::Past),
        "tomorrow" => return Some(Moment::Future),
        _ => {}
    }
    if text.strip_prefix('-').is_some_and(relative) || text.ends_with(" ago") {
        return Some(Moment::Past);
    }
    if text.strip_prefix('+').is_some_and(relative) {
        return Some(Moment::Future);
    }
    let at = match text.strip_prefix('@') {
        Some(seconds) => jiff::Timestamp::from_second(seconds.parse().ok()?).ok()?,
        None => absolute(text)?,
    };
    Some(if at < jiff::Timestamp::now() { Moment::Past } else { Moment::Future })
}

fn absolute(text: &str) -> Option<jiff::Timestamp> {
    let text = text.strip_suffix(" UTC").unwrap_or(text);
    let civil = text.parse::<jiff::civil::DateTime>().ok().or_else(|| {
        let date = text.parse::<jiff::civil::Date>().ok()?;
        Some(date.at(0, 0, 0, 0))
    })?;
    jiff::tz::TimeZone::UTC.to_timestamp(civil).ok()
}
