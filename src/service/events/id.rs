//! Ids of events: `epoch-sequence`.

use std::fmt;
use std::str::FromStr;

/// Names one run of the service. Sequence numbers of different epochs have nothing to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch(u64);

/// Only this many bits of an epoch are used: twelve hexadecimal digits.
const EPOCH_BITS: u32 = 48;

impl Epoch {
    /// Returns a new random epoch.
    pub(crate) fn random() -> Self {
        // Without a random number, the time still differs between two runs.
        let number = getrandom::u64()
            .unwrap_or_else(|_| u64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or_default());
        Self(number >> (u64::BITS - EPOCH_BITS))
    }

    /// Returns the epoch of this number.
    #[cfg(test)]
    pub(crate) fn of(number: u64) -> Self {
        Self(number)
    }
}

/// The id of an event: unique over all runs, and in order within one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventId {
    pub(crate) epoch: Epoch,
    /// Position in the epoch; the first event has 1.
    pub(crate) sequence: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}-{}", self.epoch.0, self.sequence)
    }
}

impl FromStr for EventId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = || {
            let (epoch, sequence) = text.split_once('-')?;
            let is_plain = epoch.len() == 12
                && epoch.bytes().all(|byte| byte.is_ascii_hexdigit())
                && sequence.bytes().all(|byte| byte.is_ascii_digit());
            let epoch = u64::from_str_radix(epoch, 16).ok().filter(|_| is_plain)?;
            Some(Self { epoch: Epoch(epoch), sequence: sequence.parse().ok()? })
        };
        parsed().ok_or("it has to be the id of an event, e.g. 5f0c3a9b2e71-42")
    }
}

impl serde::Serialize for EventId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_text_and_back() {
        let id = EventId { epoch: Epoch::of(0x5f), sequence: 42 };
        assert_eq!(id.to_string(), "00000000005f-42");
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "5f-42", "00000000005f", "00000000005f-", "00000000005f-+1", "+0000000005f-1", "x-1"]
        {
            assert!(bad.parse::<EventId>().is_err(), "{bad}");
        }
        assert!("00000000005f-99999999999999999999".parse::<EventId>().is_err());
        let random = EventId { epoch: Epoch::random(), sequence: 1 };
        assert_eq!(random.to_string().parse(), Ok(random));
    }
}
