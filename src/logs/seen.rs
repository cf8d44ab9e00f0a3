//! What was told already: so that after a break nothing is left out and nothing comes twice.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, Hash, RandomState};

/// Lines that are remembered: more than the cloud keeps of a device, which is 1,000.
const REMEMBERED: usize = 1024;
/// Of these, how many are asked for once more after a break: lines do not come exactly in the order of their
/// times. Not too many, or a bad connection brings nothing else.
const OVERLAP: usize = 64;
/// How much later (ms) than all that was told a line is when nothing comes twice any more.
const OVER: i64 = 1000;

/// The lines that were told last.
#[derive(Debug, Default)]
pub(super) struct Seen {
    marks: VecDeque<Mark>,
    /// The latest time among those that were told and are no longer remembered.
    forgotten: Option<i64>,
    /// When it all began, by the other side's clock.
    begun: Option<i64>,
    replay: Option<Replay>,
    keys: RandomState,
}

/// What tells a line from others: its time (ms), where it has one, and a hash of all of it.
#[derive(Debug, Clone, Copy)]
struct Mark {
    at: Option<i64>,
    print: u64,
}

/// While the other side repeats what it has.
#[derive(Debug)]
struct Replay {
    /// Lines before this were told, or are older than what was asked for.
    floor: Option<i64>,
    newest: Option<i64>,
    /// How often each line that was told may come again.
    known: HashMap<u64, u32>,
    /// Whether something known has come: then nothing lies between it and what is new.
    met: bool,
    /// What was told last. Behind it all is new, whatever its time: clocks are set back.
    last: Option<u64>,
}

/// What to do with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    New,
    /// New, and what should have come before it did not: lines may be missing.
    NewAfterGap,
    Known,
}

impl Seen {
    /// Notes the time at which the other side began to tell, if it is the first time.
    pub(super) fn begin(&mut self, at: Option<i64>) {
        self.begun = self.begun.or(at);
    }

    /// Whether anything was told.
    pub(super) fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// Lets nothing through that is older than the beginning, until something newer comes.
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

    /// From when on the other side has to tell once more after a break.
    pub(super) fn resume(&mut self) -> Option<i64> {
        let times = || self.marks.iter().rev().filter_map(|mark| mark.at);
        let Some(newest) = times().max() else {
            self.only_from_the_beginning();
            return self.begun;
        };
        // What was told and is forgotten can't be told apart by more than its time.
        let forgotten = self.forgotten.map(|told| told.saturating_add(1));
        let floor = forgotten.or_else(|| times().min()).min(Some(newest));
        let last = self.marks.back().map(|mark| mark.print);
        self.replay = Some(Replay { floor, newest: Some(newest), known: self.known(), met: false, last });
        times().take(OVERLAP).min()
    }

    /// Judges a line, and remembers it if it is new.
    pub(super) fn judge(&mut self, at: Option<i64>, line: impl Hash) -> Verdict {
        let mark = Mark { at, print: self.keys.hash_one(line) };
        let verdict = self.replay.as_mut().map_or(Verdict::New, |replay| replay.judge(mark));
        if verdict == Verdict::Known {
            return verdict;
        }
        if self.replay.as_ref().is_some_and(|replay| replay.is_over(mark)) {
            self.replay = None;
        }
        if self.marks.len() == REMEMBERED {
            let oldest = self.marks.pop_front().and_then(|mark| mark.at);
            self.forgotten = self.forgotten.max(oldest);
        }
        self.marks.push_back(mark);
        verdict
    }
}

impl Replay {
    fn judge(&mut self, mark: Mark) -> Verdict {
        if let Some(left) = self.known.get_mut(&mark.print).filter(|left| **left > 0) {
            *left -= 1;
            self.met = true;
            if *left == 0 && self.last == Some(mark.print) {
                self.floor = None;
            }
            return Verdict::Known;
        }
        if mark.at.is_some() && mark.at > self.newest {
            // What comes from now on is what comes now.
            self.floor = None;
            return if std::mem::replace(&mut self.met, true) { Verdict::New } else { Verdict::NewAfterGap };
        }
        if mark.at.is_some() && mark.at < self.floor { Verdict::Known } else { Verdict::New }
    }

    fn is_over(&self, mark: Mark) -> bool {
        let end = self.newest.map_or(i64::MIN, |newest| newest.saturating_add(OVER));
        mark.at.is_some_and(|at| at > end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Known, New, NewAfterGap};

    fn told(seen: &mut Seen, lines: impl IntoIterator<Item = (i64, &'static str)>) -> Vec<Verdict> {
        lines.into_iter().map(|(at, text)| seen.judge(Some(at), (at, text))).collect()
    }

    #[test]
    fn what_comes_again_is_told_apart_from_what_is_equal() {
        let mut seen = Seen::default();
        assert_eq!(told(&mut seen, [(5, "a"), (5, "a"), (6, "b")]), [New; 3]);
        assert_eq!(seen.resume(), Some(5), "nothing older was ever told");
        // Of four equal lines two are known.
        let again = [(4, "old"), (5, "a"), (5, "a"), (5, "a"), (5, "a"), (6, "b"), (6, "c"), (7, "a")];
        assert_eq!(told(&mut seen, again), [Known, Known, Known, New, New, Known, New, New]);
        // It is what comes now: a line that was on its way for long is not held to be old.
        assert_eq!(told(&mut seen, [(3, "late")]), [New]);
    }

    #[test]
    fn a_gap_is_noticed() {
        let mut seen = Seen::default();
        told(&mut seen, [(5, "a"), (6, "b")]);
        seen.resume();
        assert_eq!(told(&mut seen, [(9, "x"), (9, "y")]), [NewAfterGap, New]);
        seen.resume();
        assert_eq!(told(&mut seen, [(9, "y"), (10, "z")]), [Known, New]);
    }

    #[test]
    fn little_is_asked_for_again_and_nothing_beyond_what_is_remembered() {
        let mut seen = Seen::default();
        for at in 0..10_000 {
            seen.judge(Some(at), at);
        }
        assert_eq!(seen.marks.len(), REMEMBERED);
        assert_eq!(seen.resume(), Some(9936), "a few lines back");
        // A server that tells all it has, whatever it was asked.
        assert!((0..10_000).all(|at| seen.judge(Some(at), at) == Known));
        assert_eq!(seen.judge(Some(10_000), 10_000), New);
        assert!(seen.replay.is_some() && seen.judge(Some(12_000), 12_000) == New && seen.replay.is_none());
    }

    #[test]
    fn clocks_are_set_back() {
        let mut seen = Seen::default();
        told(&mut seen, [(5000, "a"), (5001, "b"), (10, "c")]);
        assert_eq!(seen.resume(), Some(10));
        let again = [(5000, "a"), (5001, "b"), (10, "c"), (9, "d"), (11, "e")];
        assert_eq!(told(&mut seen, again), [Known, Known, Known, New, New]);
    }

    #[test]
    fn what_has_no_time_does_not_open_the_past() {
        let mut seen = Seen::default();
        seen.begin(Some(5));
        assert_eq!(seen.judge(None, "{nope"), New);
        assert_eq!(seen.resume(), Some(5));
        assert_eq!(seen.judge(None, "{nope"), Known);
        assert_eq!(told(&mut seen, [(3, "old"), (5, "new")]), [Known, New]);
    }

    #[test]
    fn before_the_first_line_the_time_of_the_connection_counts() {
        let mut seen = Seen::default();
        assert_eq!(seen.resume(), None);
        assert_eq!(told(&mut seen, [(4, "a")]), [New], "nobody knows better");
        let mut seen = Seen::default();
        seen.begin(Some(5));
        seen.begin(Some(50));
        assert_eq!(seen.resume(), Some(5));
        assert_eq!(told(&mut seen, [(4, "a"), (5, "b"), (4, "c")]), [Known, New, New]);
    }
}
