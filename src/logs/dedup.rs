//! Remembers the delivered lines, so that a reconnect neither loses nor repeats any.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, Hash, RandomState};

/// Number of lines remembered: more than the 1,000 that the API keeps of a device.
const WINDOW: usize = 1024;
/// Number of remembered lines that a reconnect requests again: lines do not arrive exactly in the order of their
/// times. A larger number would let a bad connection deliver only repeated lines.
const OVERLAP: usize = 64;
/// A line that is this much later (ms) than all delivered lines ends the repetition.
const OVER: i64 = 1000;

/// The lines delivered last.
#[derive(Debug, Default)]
pub(super) struct Dedup {
    marks: VecDeque<LineFingerprint>,
    /// Latest time (ms) among the delivered lines that are no longer remembered.
    forgotten: Option<i64>,
    /// When the log was first opened (ms), by the server's clock.
    begun: Option<i64>,
    replay: Option<Replay>,
    keys: RandomState,
}

/// Identity of a line: its time (ms), if it has one, and a hash of its content.
#[derive(Debug, Clone, Copy)]
struct LineFingerprint {
    at: Option<i64>,
    print: u64,
}

/// State after a reconnect, while the server repeats lines.
#[derive(Debug)]
struct Replay {
    /// Lines before this time (ms) were delivered before or are older than requested.
    floor: Option<i64>,
    newest: Option<i64>,
    /// How often each delivered line may be repeated, by hash.
    known: HashMap<u64, u32>,
    /// Whether a delivered line was repeated: then no lines are missing in between.
    met: bool,
    /// The line delivered last. All lines after it are new, whatever their time: clocks are set back.
    last: Option<u64>,
}

/// Whether a line is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    New,
    /// New, but the lines delivered before it were not repeated: lines may be missing.
    NewAfterGap,
    Known,
}

impl Dedup {
    /// Records when the log was opened, if it is the first time.
    pub(super) fn begin(&mut self, at: Option<i64>) {
        self.begun = self.begun.or(at);
    }

    /// Returns whether no line was delivered yet.
    pub(super) fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// Drops lines older than the beginning until a newer line arrives.
    pub(super) fn only_from_the_beginning(&mut self) {
        let known = self.known();
        self.replay = self.begun.map(|begun| Replay {
            floor: Some(begun),
            newest: Some(begun.saturating_sub(1)),
            known,
            met: true,
            last: None,
        });
    }

    fn known(&self) -> HashMap<u64, u32> {
        let mut known = HashMap::new();
        for mark in &self.marks {
            *known.entry(mark.print).or_default() += 1;
        }
        known
    }

    /// Starts a repetition. Returns the time (ms) from which to request lines after a reconnect.
    pub(super) fn resume(&mut self) -> Option<i64> {
        let times = || self.marks.iter().rev().filter_map(|mark| mark.at);
        let Some(newest) = times().max() else {
            self.only_from_the_beginning();
            return self.begun;
        };
        // Lines that are no longer remembered are recognized by their time only.
        let forgotten = self.forgotten.map(|told| told.saturating_add(1));
        let floor = forgotten.or_else(|| times().min()).min(Some(newest));
        let last = self.marks.back().map(|mark| mark.print);
        self.replay = Some(Replay { floor, newest: Some(newest), known: self.known(), met: false, last });
        times().take(OVERLAP).min()
    }

    /// Decides whether a line is new, and remembers it if so.
    pub(super) fn judge(&mut self, at: Option<i64>, line: impl Hash) -> Verdict {
        let mark = LineFingerprint { at, print: self.keys.hash_one(line) };
        let verdict = self.replay.as_mut().map_or(Verdict::New, |replay| replay.judge(mark));
        if verdict == Verdict::Known {
            return verdict;
        }
        if self.replay.as_ref().is_some_and(|replay| replay.is_over(mark)) {
            self.replay = None;
        }
        if self.marks.len() == WINDOW {
            let oldest = self.marks.pop_front().and_then(|mark| mark.at);
            self.forgotten = self.forgotten.max(oldest);
        }
        self.marks.push_back(mark);
        verdict
    }
}

impl Replay {
    fn judge(&mut self, mark: LineFingerprint) -> Verdict {
        if let Some(left) = self.known.get_mut(&mark.print).filter(|left| **left > 0) {
            *left -= 1;
            self.met = true;
            if *left == 0 && self.last == Some(mark.print) {
                self.floor = None;
            }
            return Verdict::Known;
        }
        if mark.at.is_some() && mark.at > self.newest {
            // The repetition is over; all further lines are new.
            self.floor = None;
            return if std::mem::replace(&mut self.met, true) { Verdict::New } else { Verdict::NewAfterGap };
        }
        if mark.at.is_some() && mark.at < self.floor { Verdict::Known } else { Verdict::New }
    }

    fn is_over(&self, mark: LineFingerprint) -> bool {
        let end = self.newest.map_or(i64::MIN, |newest| newest.saturating_add(OVER));
        mark.at.is_some_and(|at| at > end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Known, New, NewAfterGap};

    fn told(seen: &mut Dedup, lines: impl IntoIterator<Item = (i64, &'static str)>) -> Vec<Verdict> {
        lines.into_iter().map(|(at, text)| seen.judge(Some(at), (at, text))).collect()
    }

    #[test]
    fn what_comes_again_is_told_apart_from_what_is_equal() {
        let mut seen = Dedup::default();
        assert_eq!(told(&mut seen, [(5, "a"), (5, "a"), (6, "b")]), [New; 3]);
        assert_eq!(seen.resume(), Some(5), "nothing older was ever told");
        // Two of four equal lines were delivered before.
        let again = [(4, "old"), (5, "a"), (5, "a"), (5, "a"), (5, "a"), (6, "b"), (6, "c"), (7, "a")];
        assert_eq!(told(&mut seen, again), [Known, Known, Known, New, New, Known, New, New]);
        // The line is new: one that was delayed is not treated as old.
        assert_eq!(told(&mut seen, [(3, "late")]), [New]);
    }

    #[test]
    fn a_gap_is_noticed() {
        let mut seen = Dedup::default();
        told(&mut seen, [(5, "a"), (6, "b")]);
        seen.resume();
        assert_eq!(told(&mut seen, [(9, "x"), (9, "y")]), [NewAfterGap, New]);
        seen.resume();
        assert_eq!(told(&mut seen, [(9, "y"), (10, "z")]), [Known, New]);
    }

    #[test]
    fn little_is_asked_for_again_and_nothing_beyond_what_is_remembered() {
        let mut seen = Dedup::default();
        for at in 0..10_000 {
            seen.judge(Some(at), at);
        }
        assert_eq!(seen.marks.len(), WINDOW);
        assert_eq!(seen.resume(), Some(9936), "a few lines back");
        // A server that ignores the start time and sends all lines.
        assert!((0..10_000).all(|at| seen.judge(Some(at), at) == Known));
        assert_eq!(seen.judge(Some(10_000), 10_000), New);
        assert!(seen.replay.is_some() && seen.judge(Some(12_000), 12_000) == New && seen.replay.is_none());
    }

    #[test]
    fn clocks_are_set_back() {
        let mut seen = Dedup::default();
        told(&mut seen, [(5000, "a"), (5001, "b"), (10, "c")]);
        assert_eq!(seen.resume(), Some(10));
        let again = [(5000, "a"), (5001, "b"), (10, "c"), (9, "d"), (11, "e")];
        assert_eq!(told(&mut seen, again), [Known, Known, Known, New, New]);
    }

    #[test]
    fn what_has_no_time_does_not_open_the_past() {
        let mut seen = Dedup::default();
        seen.begin(Some(5));
        assert_eq!(seen.judge(None, "{nope"), New);
        assert_eq!(seen.resume(), Some(5));
        assert_eq!(seen.judge(None, "{nope"), Known);
        assert_eq!(told(&mut seen, [(3, "old"), (5, "new")]), [Known, New]);
    }

    #[test]
    fn before_the_first_line_the_time_of_the_connection_counts() {
        let mut seen = Dedup::default();
        assert_eq!(seen.resume(), None);
        assert_eq!(told(&mut seen, [(4, "a")]), [New], "nobody knows better");
        let mut seen = Dedup::default();
        seen.begin(Some(5));
        seen.begin(Some(50));
        assert_eq!(seen.resume(), Some(5));
        assert_eq!(told(&mut seen, [(4, "a"), (5, "b"), (4, "c")]), [Known, New, New]);
    }
}
