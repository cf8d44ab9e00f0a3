//! A time with its original text.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A time with the text in which it was received (RFC 3339). It is serialized as that text, so
/// `2026-11-23T12:00:00.820Z` keeps its digits.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct OriginalTime {
    time: Timestamp,
    text: Box<str>,
}

impl OriginalTime {
    /// Returns the time.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// Returns the text as received.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl From<Timestamp> for OriginalTime {
    fn from(time: Timestamp) -> Self {
        Self { time, text: time.to_string().into() }
    }
}

impl fmt::Display for OriginalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for OriginalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for OriginalTime {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for OriginalTime {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        let time = text.parse().map_err(serde::de::Error::custom)?;
        Ok(Self { time, text: text.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_they_came() {
        for text in [
            "2026-11-23T12:00:00.820Z",
            "2026-11-23T12:00:00.000Z",
            "2026-11-23T12:00:00Z",
            "2026-11-23T12:00:00.123456789Z",
            "2026-11-23T14:00:00.5+02:00",
        ] {
            let json = format!("\"{text}\"");
            let time: OriginalTime = serde_json::from_str(&json).unwrap();
            assert_eq!(serde_json::to_string(&time).unwrap(), json);
            assert_eq!(time.time(), text.parse().unwrap());
        }
        assert!(serde_json::from_str::<OriginalTime>("\"yesterday\"").is_err());
    }
}
