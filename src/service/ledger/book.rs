//! Which lines the ledger has, and which are to go. Does no I/O and reads no clock. The lines themselves are in the
//! journal only.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::entry::{Entry, ResultWord};
use crate::service::clock::ClockReading;
use crate::service::config::LedgerLimits;

/// What is remembered of a line.
#[derive(Debug)]
struct Line {
    bytes: usize,
    /// When it was written; `None` if the clock was wrong.
    time: Option<Timestamp>,
}

/// The lines and the open intents.
#[derive(Debug)]
pub(crate) struct Book {
    limits: LedgerLimits,
    lines: BTreeMap<u64, Line>,
    bytes: usize,
    next: u64,
    /// Intents without a result.
    open: BTreeMap<u64, Entry>,
}

impl Book {
    /// Creates an empty book.
    pub(crate) fn new(limits: LedgerLimits) -> Self {
        Self { limits, lines: BTreeMap::new(), bytes: 0, next: 1, open: BTreeMap::new() }
    }

    /// Reads the stored lines. What can't be read is left alone.
    pub(crate) fn read(&mut self, stored: &[(String, Vec<u8>)]) {
        for (key, value) in stored {
            let Some(id) = id_of(key) else { continue };
            self.next = self.next.max(id.saturating_add(1));
            if let Ok(entry) = serde_json::from_slice::<Entry>(value) {
                self.note(&entry, value.len());
            }
        }
    }

    /// Takes the id of the next line.
    pub(crate) fn take_id(&mut self) -> u64 {
        let id = self.next;
        self.next += 1;
        id
    }

    /// Adds a line, or replaces the one with its id. `bytes` is its stored size. Returns the ids of the lines that
    /// have to go.
    pub(crate) fn put(&mut self, entry: &Entry, bytes: usize, now: &ClockReading) -> Vec<u64> {
        self.note(entry, bytes);
        self.trim(entry.id, now)
    }

    fn note(&mut self, entry: &Entry, bytes: usize) {
        let line = Line { bytes, time: entry.trusted.then_some(entry.time) };
        if let Some(old) = self.lines.insert(entry.id, line) {
            self.bytes -= old.bytes;
        }
        self.bytes += bytes;
        if entry.result == ResultWord::Pending {
            self.open.insert(entry.id, entry.clone());
        } else {
            self.open.remove(&entry.id);
        }
    }

    /// Removes the oldest lines until all bounds hold. The line `newest` stays.
    fn trim(&mut self, newest: u64, now: &ClockReading) -> Vec<u64> {
        let mut gone = Vec::new();
        while let Some((&id, oldest)) = self.lines.first_key_value() {
            let is_old = now.trusted
                && oldest.time.is_some_and(|time| {
                    let age = now.wall.duration_since(time);
                    age > SignedDuration::try_from(self.limits.age).unwrap_or(SignedDuration::MAX)
                });
            let is_over = is_old || self.lines.len() > self.limits.entries || self.bytes > self.limits.bytes;
            if !is_over || id == newest {
                break;
            }
            self.bytes -= oldest.bytes;
            self.lines.remove(&id);
            self.open.remove(&id);
            gone.push(id);
        }
        gone
    }

    /// Returns an intent without a result.
    pub(crate) fn open(&self, id: u64) -> Option<&Entry> {
        self.open.get(&id)
    }

    /// Returns the intents without a result that are older than the line `before`.
    pub(crate) fn open_before(&self, before: u64) -> Vec<Entry> {
        self.open.range(..before).map(|(_, entry)| entry.clone()).collect()
    }

    /// Returns the id that the next line will have.
    pub(crate) fn next_id(&self) -> u64 {
        self.next
    }
}

/// Returns the key of a line: in the order of the ids.
pub(crate) fn key(id: u64) -> String {
    format!("{id:016}")
}

fn id_of(key: &str) -> Option<u64> {
    key.parse().ok().filter(|_| key.len() == 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::ledger::tests::{LIMITS, reading};
    use std::time::Duration;

    fn add(book: &mut Book, result: ResultWord, bytes: usize, now: &ClockReading) -> (u64, Vec<u64>) {
        let mut entry = Entry::new(book.take_id(), now, "main".into(), "restart".into());
        entry.result = result;
        let gone = book.put(&entry, bytes, now);
        (entry.id, gone)
    }

    #[test]
    fn bounds_of_number_bytes_and_age() {
        let limits = LedgerLimits { entries: 3, bytes: 1000, age: Duration::from_secs(24 * 3600) };
        let mut book = Book::new(limits);
        let day = |day: u8| reading(&format!("2026-11-{day:02}T03:00:00Z"), "a", 100);
        for id in 1..=3 {
            assert_eq!(add(&mut book, ResultWord::Done, 100, &day(1)), (id, Vec::new()));
        }
        assert_eq!(add(&mut book, ResultWord::Done, 100, &day(1)), (4, vec![1]));
        assert_eq!(add(&mut book, ResultWord::Done, 750, &day(1)), (5, vec![2]));
        assert_eq!(add(&mut book, ResultWord::Done, 5000, &day(1)), (6, vec![3, 4, 5]), "the newest stays");
        assert_eq!(add(&mut book, ResultWord::Done, 10, &day(1)), (7, vec![6]));
        let mut untrusted = day(9);
        untrusted.trusted = false;
        assert_eq!(
            add(&mut book, ResultWord::Done, 10, &untrusted),
            (8, Vec::new()),
            "no age without a clock"
        );
        assert_eq!(add(&mut book, ResultWord::Done, 10, &day(3)), (9, vec![7]));
        assert_eq!(book.bytes, 20);
    }

    #[test]
    fn a_replaced_line_counts_once_and_intents_are_open_until_they_have_a_result() {
        let mut book = Book::new(LIMITS);
        let now = reading("2026-11-29T03:00:00Z", "a", 100);
        let (id, _) = add(&mut book, ResultWord::Pending, 100, &now);
        let mut entry = book.open(id).unwrap().clone();
        assert_eq!((book.open_before(id).len(), book.open_before(id + 1).len()), (0, 1));
        entry.result = ResultWord::Done;
        book.put(&entry, 120, &now);
        assert!(book.open(id).is_none());
        assert_eq!((book.bytes, book.lines.len()), (120, 1));
    }

    #[test]
    fn stored_lines_are_found_again_and_ids_go_on() {
        let now = reading("2026-11-29T03:00:00Z", "a", 100);
        let entry = Entry::new(41, &now, "main".into(), "reboot".into());
        let stored = [
            (key(41), serde_json::to_vec(&entry).unwrap()),
            (key(43), b"of a newer release".to_vec()),
            ("notes".to_owned(), Vec::new()),
        ];
        let mut book = Book::new(LIMITS);
        book.read(&stored);
        assert_eq!(book.open_before(u64::MAX), [entry]);
        assert_eq!((book.next_id(), book.take_id(), book.take_id()), (44, 44, 45), "no id is used twice");
    }
}
