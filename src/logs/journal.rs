//! Converts entries of the host's journal to log lines.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::line::{LogLine, object};

/// Journal priority "error", which a container's standard error gets. Lower numbers are more urgent.
const ERROR: u8 = 3;

/// The fields used of an entry in journalctl's `json` format.
#[derive(Deserialize)]
struct Entry {
    /// A string; an array of bytes if it is not valid text; an array of strings if the field occurs several times.
    #[serde(default, rename = "MESSAGE")]
    message: Value,
    #[serde(default, rename = "PRIORITY")]
    priority: Value,
    #[serde(default, rename = "CONTAINER_NAME")]
    container: Value,
    /// Microseconds since 1970, as text.
    #[serde(default, rename = "__REALTIME_TIMESTAMP")]
    written: Value,
    #[serde(default, rename = "_SOURCE_REALTIME_TIMESTAMP")]
    said: Value,
    #[serde(default, rename = "__CURSOR")]
    cursor: Value,
}

/// Parses an entry. Returns the line and the entry's cursor, if it has one.
pub(super) fn read(line: &[u8]) -> Result<(LogLine, Option<String>), String> {
    let entry: Entry = object(line)?;
    let service = entry.container.as_str().and_then(service);
    let written = time(&entry.written);
    let line = LogLine {
        message: message(&entry.message),
        created_at: written,
        timestamp: time(&entry.said).or(written),
        is_std_err: entry.priority.as_str().and_then(|text| text.parse().ok()).is_some_and(is_error),
        is_system: service.is_none(),
        service_id: None,
        service_name: service.map(str::to_owned),
    };
    Ok((line, entry.cursor.as_str().map(str::to_owned)))
}

fn is_error(priority: u8) -> bool {
    priority <= ERROR
}

fn message(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let bytes: Option<Vec<u8>> =
                items.iter().map(|item| item.as_u64().and_then(|byte| u8::try_from(byte).ok())).collect();
            match bytes {
                Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                None => items.iter().map(message).collect::<Vec<_>>().join("\n"),
            }
        }
        _ => String::new(),
    }
}

/// Returns the service of a container name: `main` of `main_5381234_2463119_8d2b…` (service, image, release,
/// commit). Older supervisors omit the commit.
fn service(container: &str) -> Option<&str> {
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (rest, last) = container.rsplit_once('_')?;
    let (rest, before) = rest.rsplit_once('_')?;
    let with_commit = rest.rsplit_once('_').filter(|(_, image)| number(image) && number(before));
    let (service, _) =
        with_commit.or_else(|| Some((rest, before)).filter(|_| number(before) && number(last)))?;
    (!service.is_empty()).then_some(service)
}

fn time(value: &Value) -> Option<Timestamp> {
    Timestamp::from_microsecond(value.as_str()?.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_become_lines() {
        let (line, cursor) = read(
            br#"{"__CURSOR":"s=1;i=2","MESSAGE":"no","PRIORITY":"3","CONTAINER_NAME":"my_main_53_24_8d2b","__REALTIME_TIMESTAMP":"1705314030123456","_PID":"1"}"#,
        )
        .unwrap();
        assert_eq!((line.message.as_str(), line.is_std_err, line.is_system), ("no", true, false));
        assert_eq!(line.service_name.as_deref(), Some("my_main"));
        assert_eq!(line.created_at.unwrap().as_microsecond(), 1_705_314_030_123_456);
        assert_eq!((line.timestamp, cursor.as_deref()), (line.created_at, Some("s=1;i=2")));

        let (line, cursor) = read(br#"{"MESSAGE":[104,195],"PRIORITY":"6"}"#).unwrap();
        assert_eq!((line.message.as_str(), line.is_std_err, line.is_system), ("h\u{fffd}", false, true));
        assert_eq!((line.created_at, cursor), (None, None));
        assert_eq!(read(br#"{"MESSAGE":["a","b"]}"#).unwrap().0.message, "a\nb");
        assert_eq!(read(br#"{"MESSAGE":null}"#).unwrap().0.message, "");
        assert!(read(b"-- No entries --").is_err());
    }

    #[test]
    fn services_are_told_by_their_containers() {
        assert_eq!(service("main_53_24_8d2b"), Some("main"));
        assert_eq!(service("main_53_24"), Some("main"));
        assert_eq!(service("a_1_53_24_8d2b"), Some("a_1"));
        assert_eq!(service("balena_supervisor"), None);
        assert_eq!(service("resin_supervisor"), None);
        assert_eq!(service("other"), None);
    }
}
