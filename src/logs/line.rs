//! A log line, and its parsing.

use std::fmt;

use jiff::Timestamp;
use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::ids::ServiceId;

/// A line of a device's log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LogLine {
    /// Text of the line. Invalid Unicode is replaced by U+FFFD.
    #[serde(deserialize_with = "text")]
    pub message: String,
    /// When the API received the line; in the journal, when the line was written.
    #[serde(
        default,
        deserialize_with = "time",
        serialize_with = "milliseconds",
        skip_serializing_if = "Option::is_none"
    )]
    pub created_at: Option<Timestamp>,
    /// When the device wrote the line, by the device's clock.
    #[serde(
        default,
        deserialize_with = "time",
        serialize_with = "milliseconds",
        skip_serializing_if = "Option::is_none"
    )]
    pub timestamp: Option<Timestamp>,
    /// Whether the line was written to standard error.
    #[serde(default, deserialize_with = "flag")]
    pub is_std_err: bool,
    /// Whether the line comes from the device itself rather than from a service.
    #[serde(default, deserialize_with = "flag")]
    pub is_system: bool,
    /// Id of the service that wrote the line. Absent for system lines and in the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_id: Option<ServiceId>,
    /// Name of the service that wrote the line. Present in the journal only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
}

/// Parses a line of the API's log. It must be a JSON object.
pub(super) fn read(line: &[u8]) -> Result<LogLine, String> {
    object(line)
}

/// Parses a JSON object. serde alone would also accept an array with the fields in order.
pub(super) fn object<T: serde::de::DeserializeOwned>(line: &[u8]) -> Result<T, String> {
    if line.trim_ascii_start().first() != Some(&b'{') {
        return Err("it is not a JSON object".to_owned());
    }
    crate::json::decode(line).map_err(|cause| match cause.path.as_str() {
        "" => cause.reason,
        path => format!("at {path}: {}", cause.reason),
    })
}

/// Deserializes text with invalid Unicode: a line cut to a length may end in half a character.
fn text<'de, D: Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    struct Text;

    impl Visitor<'_> for Text {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<String, E> {
            Ok(String::from_utf8_lossy(bytes).into_owned())
        }
    }

    input.deserialize_bytes(Text)
}

/// Deserializes milliseconds since 1970. A time out of range becomes `None`.
fn time<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Timestamp>, D::Error> {
    struct Milliseconds;

    impl Visitor<'_> for Milliseconds {
        type Value = Option<Timestamp>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("milliseconds")
        }

        fn visit_i64<E>(self, ms: i64) -> Result<Self::Value, E> {
            Ok(Timestamp::from_millisecond(ms).ok())
        }

        fn visit_u64<E>(self, ms: u64) -> Result<Self::Value, E> {
            Ok(i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()))
        }

        fn visit_f64<E>(self, ms: f64) -> Result<Self::Value, E> {
            let since = jiff::SignedDuration::try_from_secs_f64(ms / 1000.0);
            Ok(since.ok().and_then(|since| Timestamp::from_duration(since).ok()))
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }

    input.deserialize_any(Milliseconds)
}

#[expect(clippy::ref_option, reason = "serde's form")]
fn milliseconds<S: Serializer>(time: &Option<Timestamp>, output: S) -> Result<S::Ok, S::Error> {
    time.map(Timestamp::as_millisecond).serialize(output)
}

fn flag<'de, D: Deserializer<'de>>(input: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(input)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_is_written() {
        let text = r#"{"message":"h\u00e9llo","createdAt":1705314030123,"timestamp":1705314030100,"isStdErr":true,"isSystem":false,"serviceId":28970}"#;
        let line = read(text.as_bytes()).unwrap();
        assert_eq!((line.message.as_str(), line.is_std_err, line.is_system), ("héllo", true, false));
        assert_eq!(line.service_id, Some(ServiceId::new(28970)));
        assert_eq!(line.created_at.unwrap().as_millisecond(), 1_705_314_030_123);
        assert_eq!(serde_json::to_string(&line).unwrap(), text.replace(r"\u00e9", "é"));
    }

    #[test]
    fn little_is_asked_of_a_line() {
        let line = |text: &str| read(text.as_bytes());
        assert_eq!(line(r#"{"message":""}"#).unwrap(), LogLine::default());
        let odd =
            r#"{"message":"","createdAt":null,"timestamp":1e300,"isSystem":null,"serviceId":null,"x":[1]}"#;
        assert_eq!(line(odd).unwrap(), LogLine::default());
        assert_eq!(line(r#"{"message":"","timestamp":1.5}"#).unwrap().timestamp.unwrap().as_millisecond(), 1);
        // Half a character, in JSON and in UTF-8.
        assert_eq!(line(r#"{"message":"a\ud83d"}"#).unwrap().message, "a\u{fffd}\u{fffd}\u{fffd}");
        assert_eq!(read(b"{\"message\":\"a\xf0\x9f\"}").unwrap().message, "a\u{fffd}");
        for broken in ["", "{", "{nope", "[\"x\"]", "5", "{}", r#"{"message":5}"#, r#"{"message":"x"} {}"#] {
            assert!(line(broken).is_err(), "{broken}");
        }
        assert_eq!(
            line(r#"{"message":"","timestamp":{}}"#).unwrap_err().split(':').next(),
            Some("at timestamp")
        );
    }
}
