//! Request bodies: which are parsed, which are ignored, and which are rejected.

use std::io::Read;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::{Map, Value};

use super::urlencoded;

/// Largest body the supervisor accepts, in bytes after decompression.
const LIMIT: usize = 10 * 1024 * 1024;

/// Returns the value of the body, or the text of the error. No body, or one of an unknown type, is an empty object.
pub(super) fn parse(headers: &HeaderMap, body: &Bytes) -> Result<Value, String> {
    let nothing = Value::Object(Map::new());
    let has_body = headers.contains_key(http::header::TRANSFER_ENCODING)
        || headers.contains_key(http::header::CONTENT_LENGTH);
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let content_type = header(CONTENT_TYPE);
    let (media, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let media = media.trim();
    let is_json = media.eq_ignore_ascii_case("application/json");
    let is_form = media.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    if !has_body || !(is_json || is_form) {
        return Ok(nothing);
    }
    let charset = charset(parameters);
    let known = if is_form { charset == "utf-8" } else { charset.starts_with("utf-") };
    if !known {
        return Err(format!("unsupported charset \"{}\"", charset.to_uppercase()));
    }
    let raw = inflate(header(CONTENT_ENCODING), body)?;
    if raw.len() > LIMIT {
        return Err("request entity too large".to_owned());
    }
    let text = text(&charset, &raw)?;
    if is_form { urlencoded::parse(&text).map_err(str::to_owned) } else { json(&text) }
}

fn charset(parameters: &str) -> String {
    parameters
        .split(';')
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
        .map_or_else(|| "utf-8".to_owned(), |(_, value)| value.trim().trim_matches('"').to_lowercase())
}

fn inflate(encoding: &str, body: &Bytes) -> Result<Vec<u8>, String> {
    let mut raw = Vec::new();
    // One byte more than the limit shows that it is exceeded.
    let most = u64::try_from(LIMIT).unwrap_or(u64::MAX).saturating_add(1);
    let read = match encoding.to_lowercase().as_str() {
        "" | "identity" => return Ok(body.to_vec()),
        "gzip" => flate2::read::GzDecoder::new(body.as_ref()).take(most).read_to_end(&mut raw),
        "deflate" => flate2::read::ZlibDecoder::new(body.as_ref()).take(most).read_to_end(&mut raw),
        other => return Err(format!("unsupported content encoding \"{other}\"")),
    };
    read.map(|_| raw).map_err(|error| error.to_string())
}

fn text(charset: &str, raw: &[u8]) -> Result<String, String> {
    let wide = |decode: fn([u8; 2]) -> u16| {
        let units: Vec<u16> =
            raw.chunks_exact(2).filter_map(|pair| <[u8; 2]>::try_from(pair).ok()).map(decode).collect();
        String::from_utf16_lossy(&units)
    };
    let decoded = match charset {
        "utf-8" => String::from_utf8_lossy(raw).into_owned(),
        "utf-16" | "utf-16le" => wide(u16::from_le_bytes),
        "utf-16be" => wide(u16::from_be_bytes),
        other => return Err(format!("unsupported charset \"{}\"", other.to_uppercase())),
    };
    Ok(decoded.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(decoded))
}

/// Strict: the top level must be an object or a list; only white space is an error.
fn json(text: &str) -> Result<Value, String> {
    if text.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    match text.trim_start_matches([' ', '\t', '\n', '\r']).chars().next() {
        Some('{' | '[') => serde_json::from_str(text).map_err(|error| format!("{error}")),
        Some(first) => Err(format!("Unexpected token '{first}', \"{}\" is not valid JSON", shortened(text))),
        None => Err("Unexpected end of JSON input".to_owned()),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(10).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;
    use serde_json::{Value, json};

    fn parse(content_type: &str, body: &'static str) -> Result<Value, String> {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", content_type.parse().expect("header value"));
        headers.insert("content-length", body.len().into());
        super::parse(&headers, &Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn only_json_and_forms_are_read() {
        assert_eq!(parse("application/json", "{\"a\":1}"), Ok(json!({"a": 1})));
        assert_eq!(parse("APPLICATION/JSON; charset=utf-8", "[]"), Ok(json!([])));
        assert_eq!(parse("text/plain", "{\"a\":1}"), Ok(json!({})));
        assert_eq!(parse("application/x-www-form-urlencoded", "a=1"), Ok(json!({"a": "1"})));
    }

    #[test]
    fn json_must_be_an_object_or_a_list() {
        assert_eq!(parse("application/json", ""), Ok(json!({})));
        assert_eq!(parse("application/json", "\u{feff}{}"), Ok(json!({})));
        for bad in ["{bad", "\"x\"", "null", "5", "  "] {
            assert!(parse("application/json", bad).is_err(), "{bad:?}");
        }
        assert!(parse("application/json; charset=latin1", "{}").is_err());
    }
}
