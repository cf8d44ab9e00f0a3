//! The resume token of a batch: its progress as text.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::{Error, Result};

/// Progress of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checkpoint {
    /// Not done: failed or not tried.
    Open,
    Done,
    /// Sent without a response.
    Unknown,
}

impl Checkpoint {
    fn letter(self) -> char {
        match self {
            Self::Open => 'o',
            Self::Done => 'd',
            Self::Unknown => 'u',
        }
    }

    fn of(letter: char) -> Option<Self> {
        [Self::Open, Self::Done, Self::Unknown].into_iter().find(|mark| mark.letter() == letter)
    }
}

/// Progress of a batch, from which [`Batch::resume`](super::Batch::resume) continues.
///
/// Convert it to text with `Display`, `FromStr` or serde, to resume in another process. It is valid for one call:
/// the same function and arguments, the same list in the same order, and the same API. Other calls refuse it. It
/// contains no names, values or keys, only indexes and checksums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumeToken {
    /// Checksum of its call.
    fingerprint: u64,
    /// Run lengths of equal marks, in the order of the list.
    runs: Vec<(Checkpoint, u32)>,
}

/// Version of the format: a token outlives the program that wrote it.
const VERSION: &str = "batch1";

impl ResumeToken {
    pub(super) fn new(fingerprint: u64, marks: impl IntoIterator<Item = Checkpoint>) -> Self {
        let mut runs: Vec<(Checkpoint, u32)> = Vec::new();
        for mark in marks {
            match runs.last_mut() {
                Some((last, count)) if *last == mark => *count += 1,
                _ => runs.push((mark, 1)),
            }
        }
        Self { fingerprint, runs }
    }

    /// Returns the mark of each item.
    ///
    /// # Errors
    /// `is_invalid_argument` if the token belongs to another call.
    pub(super) fn marks(&self, fingerprint: u64, length: usize) -> Result<Vec<Checkpoint>> {
        let all: u64 = self.runs.iter().map(|(_, count)| u64::from(*count)).sum();
        if self.fingerprint != fingerprint || u64::try_from(length) != Ok(all) {
            let error = Error::argument("resume", "the token belongs to another call");
            return Err(error.with_help(
                "it goes with the same function, the same arguments, the same list in the same order and the \
                 same API; without a token all of it is done anew",
            ));
        }
        let run = |(mark, count): &(Checkpoint, u32)| {
            std::iter::repeat_n(*mark, usize::try_from(*count).unwrap_or(0))
        };
        Ok(self.runs.iter().flat_map(run).collect())
    }

    fn payload(&self) -> String {
        let mut text = format!("{VERSION}.{:016x}.", self.fingerprint);
        for (mark, count) in &self.runs {
            text.push_str(&count.to_string());
            text.push(mark.letter());
        }
        text
    }
}

impl fmt::Display for ResumeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let payload = self.payload();
        write!(f, "{payload}.{:016x}", Fingerprint::default().with(&payload).sum())
    }
}

impl FromStr for ResumeToken {
    type Err = Error;

    /// # Errors
    /// `is_invalid_argument` if the text is not a complete token of this version.
    fn from_str(text: &str) -> Result<Self> {
        let refuse = |why: &'static str| Error::argument("resume", why);
        let text = text.trim();
        let (payload, sum) = text.rsplit_once('.').ok_or_else(|| refuse("this is not a token"))?;
        if payload.split('.').next() != Some(VERSION) {
            return Err(refuse("this is not a token, or another version of the library made it"));
        }
        if u64::from_str_radix(sum, 16) != Ok(Fingerprint::default().with(payload).sum()) {
            return Err(refuse("the token is damaged, or a part of it is missing"));
        }
        parse(payload).ok_or_else(|| refuse("the token can't be read"))
    }
}

fn parse(payload: &str) -> Option<ResumeToken> {
    let mut parts = payload.split('.').skip(1);
    let fingerprint = u64::from_str_radix(parts.next()?, 16).ok()?;
    let mut runs = Vec::new();
    let mut rest = parts.next()?;
    while let Some(at) = rest.find(|c: char| !c.is_ascii_digit()) {
        let (count, tail) = rest.split_at(at);
        let mut tail = tail.chars();
        runs.push((Checkpoint::of(tail.next()?)?, count.parse().ok()?));
        rest = tail.as_str();
    }
    (rest.is_empty() && parts.next().is_none()).then_some(ResumeToken { fingerprint, runs })
}

impl Serialize for ResumeToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ResumeToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// FNV-1a hash: the same in every version and on every machine. Not a protection against forgery: a forger could
/// make the call instead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fingerprint {
    /// Adds a part with a terminator: `ab`, `c` and `a`, `bc` differ.
    pub(super) fn with(mut self, part: impl fmt::Display) -> Self {
        // It fails only if a `Display` does; the text written before then counts.
        let _ = fmt::write(&mut self, format_args!("{part}\0"));
        self
    }

    pub(super) fn sum(self) -> u64 {
        self.0
    }
}

impl fmt::Write for Fingerprint {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> ResumeToken {
        let marks = [
            Checkpoint::Done,
            Checkpoint::Done,
            Checkpoint::Unknown,
            Checkpoint::Open,
            Checkpoint::Open,
            Checkpoint::Done,
        ];
        ResumeToken::new(7, marks)
    }

    #[test]
    fn it_comes_back_from_its_text() {
        let text = token().to_string();
        assert!(text.starts_with("batch1.0000000000000007.2d1u2o1d."), "{text}");
        assert_eq!(text.parse::<ResumeToken>().unwrap(), token());
        let json = serde_json::to_string(&token()).unwrap();
        assert_eq!(serde_json::from_str::<ResumeToken>(&json).unwrap(), token());
        let nothing = ResumeToken::new(7, []);
        assert_eq!(nothing.to_string().parse::<ResumeToken>().unwrap(), nothing);
    }

    #[test]
    fn a_token_of_another_call_is_refused() {
        assert_eq!(token().marks(7, 6).unwrap().len(), 6);
        assert!(token().marks(8, 6).unwrap_err().is_invalid_argument());
        assert!(token().marks(7, 5).unwrap_err().is_invalid_argument());
        let endless = ResumeToken { fingerprint: 7, runs: vec![(Checkpoint::Done, u32::MAX); 9] };
        assert!(endless.marks(7, 6).unwrap_err().is_invalid_argument());
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let good = token().to_string();
        for end in 0..good.len() {
            assert!(good[..end].parse::<ResumeToken>().unwrap_err().is_invalid_argument(), "{end}");
        }
        let sealed = |payload: &str| format!("{payload}.{:016x}", Fingerprint::default().with(payload).sum());
        for payload in [
            "batch2.07.1d",
            "batch1",
            "batch1.07",
            "batch1.x.1d",
            "batch1.07.1x",
            "batch1.07.1d2",
            "batch1.07.d",
            "batch1.07.1d.",
            "batch1.07.99999999999d",
        ] {
            assert!(sealed(payload).parse::<ResumeToken>().unwrap_err().is_invalid_argument(), "{payload}");
        }
        assert_eq!(sealed("batch1.0000000000000007.2d1u2o1d"), good);
    }
}
