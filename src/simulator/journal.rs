//! The host's journal, with the rules by which `journalctl` stores and prints it.

mod format;
mod moment;
mod query;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::model::Container;
use super::{lock, random_hex};

pub(super) use query::Query;

/// Number of digits of a container id that the engine's log driver uses as tag.
const TAG_DIGITS: usize = 12;
/// Process id of the engine, which writes for its containers.
const ENGINE_PID: u32 = 812;
/// Interval between two lines while a request follows the journal.
const PACE: Duration = Duration::from_secs(1);
/// Maximum number of lines; the oldest ones are dropped.
const MOST_LINES: usize = 10_000;

/// The writer of a line.
#[derive(Debug, Clone)]
pub(super) struct Source {
    unit: &'static str,
    identifier: String,
    pid: u32,
    container: Option<ContainerSource>,
}

/// Fields that the engine's log driver adds to a container's lines.
#[derive(Debug, Clone)]
struct ContainerSource {
    id: String,
    name: String,
    image: String,
}

impl Source {
    fn demo() -> Self {
        Self { unit: "demo.service", identifier: "demo".to_owned(), pid: 1, container: None }
    }

    /// The engine writes a container's lines, tagged with the first digits of the container's id.
    fn of(container: &Container) -> Self {
        let spec = &container.spec;
        Self {
            unit: "balena.service",
            identifier: container.id.chars().take(TAG_DIGITS).collect(),
            pid: ENGINE_PID,
            container: Some(ContainerSource {
                id: container.id.clone(),
                name: format!("{}_{}_{}_{}", spec.service, spec.image_id, spec.release_id, spec.commit),
                image: spec.image.clone(),
            }),
        }
    }
}

/// A line of the journal.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Number of the entry, from 1.
    number: usize,
    pub(super) at: jiff::Timestamp,
    /// Time since the boot.
    uptime: Duration,
    boot: Arc<str>,
    source: Source,
    pub(super) message: String,
}

/// Which units write to the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writers {
    /// Only `demo.service`.
    Demo,
    /// Containers too: on start and stop, and one line per second while a request follows.
    Containers,
}

/// The device's journal.
#[derive(Debug)]
pub(super) struct Journal {
    writers: Writers,
    hostname: String,
    machine_id: String,
    lines: Mutex<Lines>,
    /// Number of lines written so far.
    written: watch::Sender<usize>,
}

#[derive(Debug)]
struct Lines {
    /// The latest entries.
    kept: VecDeque<Entry>,
    written: usize,
    boot: Arc<str>,
    booted: Instant,
    /// Running containers, in the order of their start.
    running: VecDeque<Source>,
}

impl Journal {
    /// Creates a journal with `entries` lines of `demo.service`.
    pub(super) fn new(hostname: &str, entries: usize, writers: Writers) -> Self {
        let lines = Lines {
            kept: VecDeque::new(),
            written: 0,
            boot: random_hex(32).into(),
            booted: Instant::now(),
            running: VecDeque::new(),
        };
        let journal = Self {
            writers,
            hostname: hostname.to_owned(),
            machine_id: random_hex(32),
            lines: Mutex::new(lines),
            written: watch::Sender::new(0),
        };
        (0..entries).for_each(|_| journal.write_next());
        journal
    }

    /// Appends a line of `demo.service`.
    pub(super) fn write(&self, line: &str) {
        self.write_from(Source::demo(), line);
    }

    /// Appends a line of a container.
    pub(super) fn write_of(&self, container: &Container, line: &str) {
        self.write_from(Source::of(container), line);
    }

    fn write_from(&self, source: Source, line: &str) {
        let mut lines = lock(&self.lines);
        lines.written += 1;
        let entry = Entry {
            number: lines.written,
            at: jiff::Timestamp::now(),
            uptime: lines.booted.elapsed(),
            boot: Arc::clone(&lines.boot),
            source,
            message: line.to_owned(),
        };
        lines.kept.push_back(entry);
        if lines.kept.len() > MOST_LINES {
            lines.kept.pop_front();
        }
        let written = lines.written;
        drop(lines);
        self.written.send_replace(written);
    }

    /// Records the start of a container.
    pub(super) fn started(&self, container: &Container) {
        if self.writers == Writers::Containers {
            lock(&self.lines).running.push_back(Source::of(container));
            self.write_of(container, &format!("{} has started", container.spec.service));
        }
    }

    /// Records the stop of a container.
    pub(super) fn stopped(&self, container: &Container) {
        if self.writers == Writers::Containers {
            let source = Source::of(container);
            lock(&self.lines).running.retain(|other| other.identifier != source.identifier);
            self.write_of(container, &format!("{} got SIGTERM and ends", container.spec.service));
        }
    }

    /// Boots the host. Without persistent logging the journal is in memory and is lost.
    pub(super) fn boot(&self, persistent: bool) {
        let mut lines = lock(&self.lines);
        if !persistent {
            lines.kept.clear();
        }
        lines.boot = random_hex(32).into();
        lines.booted = Instant::now();
        lines.running.clear();
    }

    /// Returns the id of the current boot: 32 hexadecimal digits.
    pub(super) fn boot_id(&self) -> Arc<str> {
        Arc::clone(&lock(&self.lines).boot)
    }

    fn write_next(&self) {
        let mut lines = lock(&self.lines);
        let number = lines.written + 1;
        let running = lines.running.pop_front();
        lines.running.extend(running.clone());
        drop(lines);
        self.write_from(running.unwrap_or_else(Source::demo), &format!("line {number}"));
    }

    /// Writes the result of `query` into `output`, until it is complete or the reader is gone.
    pub(super) async fn print(&self, query: Query, output: mpsc::Sender<Bytes>) {
        let mut written = self.written.subscribe();
        let mut shown = 0;
        let Some(first) = self.first(&query, &mut shown) else { return };
        if !first.is_empty() && output.send(first.into()).await.is_err() {
            return;
        }
        if !query.follow {
            return;
        }
        loop {
            tokio::select! {
                changed = written.changed() => if changed.is_err() { return },
                () = output.closed() => return,
                () = tokio::time::sleep(PACE) => self.write_next(),
            }
            let text = self.rest(&query, &mut shown);
            if !text.is_empty() && output.send(text.into()).await.is_err() {
                return;
            }
        }
    }

    /// Returns the first output; `None` if `journalctl` fails. Sets `shown` to the number of the last entry examined.
    fn first(&self, query: &Query, shown: &mut usize) -> Option<String> {
        let lines = lock(&self.lines);
        let units = lines.kept.iter().map(|entry| entry.source.unit);
        let selection = query.select(units)?;
        let fits = |entry: &&Entry| selection.fits(entry) && (!query.follow || entry.boot == lines.boot);
        let fitting: Vec<&Entry> = lines.kept.iter().filter(fits).collect();
        let in_time = |entry: &&Entry| selection.includes(entry.at);
        let printed: Vec<&Entry> = if selection.has_beginning() {
            // From `since` on, at most `count` entries.
            fitting.into_iter().filter(in_time).take(selection.count).collect()
        } else {
            // `count` refers to the end of the journal, before `until` removes entries.
            let skipped = fitting.len().saturating_sub(selection.count);
            fitting.into_iter().skip(skipped).filter(in_time).collect()
        };
        let counted_out = selection.has_beginning() && printed.len() == selection.count;
        *shown = match printed.last() {
            Some(last) if counted_out => last.number,
            _ => lines.written,
        };
        let text = self.shown(query, &printed, None);
        let empty = text.is_empty() && !query.follow && query.format.says_when_empty();
        Some(if empty { "-- No entries --\n".to_owned() } else { text })
    }

    /// Returns the output of the entries after number `shown`.
    fn rest(&self, query: &Query, shown: &mut usize) -> String {
        let lines = lock(&self.lines);
        let units = lines.kept.iter().map(|entry| entry.source.unit);
        let Some(selection) = query.select(units) else { return String::new() };
        let new = lines.kept.iter().filter(|entry| entry.number > *shown);
        let new: Vec<&Entry> =
            new.filter(|entry| selection.fits(entry) && selection.includes(entry.at)).collect();
        *shown = lines.written;
        self.shown(query, &new, Some(&lines.boot))
    }

    fn shown(&self, query: &Query, entries: &[&Entry], boot: Option<&str>) -> String {
        let mut boot = boot;
        let mut parts = Vec::new();
        for entry in entries {
            if boot.is_some_and(|boot| *boot != *entry.boot) && query.format.marks_boots() {
                parts.push(format!("-- Boot {} --\n", entry.boot));
            }
            boot = Some(&entry.boot);
            parts.push(query.format.show(entry, self));
        }
        parts.concat()
    }

    /// Returns a receiver that changes with each line: the number of lines written so far.
    pub(super) fn subscribe(&self) -> watch::Receiver<usize> {
        self.written.subscribe()
    }

    /// Returns the entries after number `shown`, and sets it to the number of the last one.
    pub(super) fn entries_after(&self, shown: &mut usize) -> Vec<Entry> {
        let lines = lock(&self.lines);
        let new = lines.kept.iter().filter(|entry| entry.number > *shown).cloned().collect();
        *shown = lines.written;
        new
    }
}
