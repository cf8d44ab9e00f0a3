//! The response headers of a download: length, name, validator and ranges.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;

use crate::http::StreamingResponse;

/// The head of a response with the whole file.
#[derive(Debug, Clone)]
pub(super) struct Head {
    headers: HeaderMap,
    /// Declared length in bytes.
    pub(super) length: Option<u64>,
    /// Value for `If-Range`: a strong `ETag` or `Last-Modified`.
    pub(super) validator: Option<HeaderValue>,
}

impl Head {
    pub(super) fn of(opened: &StreamingResponse) -> Self {
        let headers = opened.headers.clone();
        let length = text(&headers, &header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
        Self { length, validator: validator(&headers), headers }
    }

    pub(super) fn text(&self, name: &HeaderName) -> Option<&str> {
        text(&self.headers, name)
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the name in `Content-Disposition`, without any directory.
    pub(super) fn filename(&self) -> Option<String> {
        filename(self.text(&header::CONTENT_DISPOSITION)?)
    }

    /// Returns the length of the file if this response is its rest from `start` on. The length must be known, because a
    /// server may send less than was requested.
    pub(super) fn resumed_length(&self, rest: &StreamingResponse, start: u64) -> Option<u64> {
        let (from, total) = text(&rest.headers, &header::CONTENT_RANGE).and_then(content_range)?;
        let (ours, theirs) = (&self.headers, &rest.headers);
        // A 206 may omit the headers of the whole file, except `ETag` (RFC 9110, 15.3.7).
        let fits = |name| theirs.get(&name).is_none_or(|value| ours.get(&name) == Some(value));
        let unchanged = match ours.get(header::ETAG) {
            // A cache may send another `Last-Modified` with the same tag.
            Some(tag) => theirs.get(header::ETAG) == Some(tag),
            None => fits(header::LAST_MODIFIED),
        };
        let length = total.or(self.length).filter(|length| self.length.is_none_or(|known| known == *length));
        length.filter(|_| from == start && unchanged && fits(header::CONTENT_ENCODING))
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Returns a strong `ETag`, else `Last-Modified` if it is at least 1 s older than `Date`: within one second the file
/// may have changed twice (RFC 9110, 8.8.2.2).
fn validator(headers: &HeaderMap) -> Option<HeaderValue> {
    if let Some(tag) = headers.get(header::ETAG) {
        return tag.as_bytes().starts_with(b"\"").then(|| tag.clone());
    }
    let time = |name| -> Option<Timestamp> {
        Some(jiff::fmt::rfc2822::parse(text(headers, &name)?).ok()?.timestamp())
    };
    let changed = time(header::LAST_MODIFIED)?;
    let strong = time(header::DATE)?.duration_since(changed).as_secs() >= 1;
    headers.get(header::LAST_MODIFIED).filter(|_| strong).cloned()
}

/// Parses `bytes 5-9/10` into the start and, if declared, the length of the whole file.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    Some((range.split_once('-')?.0.parse().ok()?, total))
}

/// Returns the file name of `attachment; filename="a.img"; filename*=UTF-8''a.img` (RFC 6266), without directories, `.`
/// and `..`.
fn filename(disposition: &str) -> Option<String> {
    let mut plain = None;
    let mut extended = None;
    for parameter in parameters(disposition) {
        let Some((name, value)) = parameter.split_once('=') else { continue };
        let value = value.trim();
        match name.trim().to_ascii_lowercase().as_str() {
            "filename" => plain = Some(unquoted(value)),
            "filename*" => {
                let encoded = value.split('\'').nth(2).unwrap_or_default();
                extended = percent_decode_str(encoded).decode_utf8().ok().map(String::from);
            }
            _ => {}
        }
    }
    let name = extended.or(plain)?;
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    let harmless = !name.is_empty() && name != "." && name != ".." && !name.contains(char::is_control);
    harmless.then(|| name.to_owned())
}

/// Splits at semicolons outside quotes.
fn parameters(text: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        let was_escaped = std::mem::take(&mut escaped);
        match c {
            '\\' if quoted && !was_escaped => escaped = true,
            '"' if !was_escaped => quoted = !quoted,
            ';' => return !quoted,
            _ => {}
        }
        false
    })
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut out = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_stay_in_their_directory() {
        for (disposition, expected) in [
            ("attachment; filename=balena.img.gz", Some("balena.img.gz")),
            ("attachment; filename=\"a; \\\"b\\\".img\"", Some("a; \"b\".img")),
            ("attachment; filename=\"plain\"; filename*=UTF-8''%C3%A9.img", Some("é.img")),
            ("inline; FileName = x.zip", Some("x.zip")),
            ("attachment; filename=\"../../etc/passwd\"", Some("passwd")),
            ("attachment; filename*=UTF-8''..%2F..%2Fx", Some("x")),
            ("attachment; filename=\"c:\\\\x\\\\y.img\"", Some("y.img")),
            ("attachment; filename=\"..\"", None),
            ("attachment; filename=\"\"", None),
            ("attachment", None),
        ] {
            assert_eq!(filename(disposition).as_deref(), expected, "{disposition}");
        }
    }

    #[test]
    fn only_what_tells_two_files_apart_is_a_validator() {
        let told = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            validator(&pairs.collect()).map(|value| value.to_str().unwrap().to_owned())
        };
        let (changed, now) = ("Sat, 15 Jun 2024 12:00:00 GMT", "Sat, 15 Jun 2024 12:00:01 GMT");
        assert_eq!(told(&[("etag", "\"a\"")]).as_deref(), Some("\"a\""));
        assert_eq!(told(&[("last-modified", changed), ("date", now)]).as_deref(), Some(changed));
        for weak in [
            &[("etag", "W/\"a\""), ("last-modified", changed), ("date", now)][..],
            &[("last-modified", changed), ("date", changed)],
            &[("last-modified", changed)],
            &[],
        ] {
            assert_eq!(told(weak), None, "{weak:?}");
        }
    }

    #[test]
    fn ranges_are_read() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, None)));
        for bad in ["bytes */10", "5-9/10", "bytes 5/10", "bytes x-9/10", ""] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }
}
