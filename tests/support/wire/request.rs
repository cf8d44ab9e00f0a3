//! A request in one form, whether recorded or sent: two that are equal in it mean the same.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::cases::{Request, hex};
use crate::canonical::canonical_query;

/// A request that our side sent, as bytes.
#[derive(Debug)]
pub(crate) struct Sent<'a> {
    pub(crate) scheme: &'a str,
    pub(crate) authority: &'a str,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) authorization: Option<&'a str>,
    pub(crate) content_type: Option<&'a str>,
    pub(crate) body: &'a [u8],
}

/// The recorded one.
pub(crate) fn recorded(request: &Request) -> Value {
    let mut out = head(&request.host, &request.authority, &request.method, &request.path);
    let query = match &request.canonical_query {
        Some(canonical) => canonical.clone(),
        None => pairs(request.query.clone()),
    };
    out.insert("query".into(), query);
    let auth = request.auth.as_ref().map(|auth| format!("{} {}", auth.scheme, auth.credential));
    out.insert("auth".into(), json!(auth));
    out.insert("content_type".into(), json!(request.content_type));
    let body = [
        request.json.as_ref().map(|json| ("json", json.clone())),
        request.multipart.as_ref().map(|parts| ("multipart", parts.clone())),
        request.text.as_ref().map(|text| ("text", json!(text))),
        request.hex.as_ref().map(|hex| ("hex", json!(hex))),
        request.blob.as_ref().map(|blob| ("blob", blob.clone())),
    ];
    out.extend(body.into_iter().flatten().map(|(kind, value)| (kind.to_owned(), value)));
    Value::Object(out)
}

/// The one that was sent; `like` tells what kind of query is expected.
pub(crate) fn sent(sent: &Sent<'_>, like: &Request) -> Value {
    let role = match (like.host.as_str(), sent.scheme) {
        // The supervisor of a case listens on a port of its own.
        ("supervisor", "http") => "supervisor",
        (_, "https") => sent.authority.split('.').next().unwrap_or_default(),
        (_, other) => other,
    };
    let authority = if role == "supervisor" { &like.authority } else { sent.authority };
    let mut out = head(role, authority, sent.method, &decoded(sent.path));
    let query =
        if like.canonical_query.is_some() { canonical_query(sent.query) } else { pairs(form(sent.query)) };
    out.insert("query".into(), query);
    out.insert("auth".into(), json!(sent.authorization));
    let content_type = sent.content_type.map(|kind| kind.split(';').next().unwrap_or_default().trim());
    out.insert("content_type".into(), json!(content_type));
    match content_type {
        _ if sent.body.is_empty() => {}
        Some("multipart/form-data") => {
            out.insert("multipart".into(), parts(sent.body, sent.content_type.unwrap_or_default()));
        }
        Some("application/json") => {
            let body = serde_json::from_slice(sent.body);
            out.insert("json".into(), body.unwrap_or_else(|_| json!(String::from_utf8_lossy(sent.body))));
        }
        _ if like.hex.is_some() || like.blob.is_some() => out.extend([bytes(sent.body)]),
        _ => {
            out.insert("text".into(), json!(String::from_utf8_lossy(sent.body)));
        }
    }
    Value::Object(out)
}

fn head(role: &str, authority: &str, method: &str, path: &str) -> Map<String, Value> {
    let fields = [("host", role), ("authority", authority), ("method", method), ("path", path)];
    fields.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()
}

/// Their order on the wire does not count.
fn pairs(mut pairs: Vec<(String, String)>) -> Value {
    pairs.sort();
    json!(pairs)
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn form(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(&name.replace('+', " ")), decoded(&value.replace('+', " "))))
        .collect()
}

/// The parts of a multipart body, as cases record them.
fn parts(body: &[u8], content_type: &str) -> Value {
    let boundary = content_type.split_once("boundary=").map_or("", |(_, name)| name.trim_matches('"'));
    let mark = format!("--{boundary}");
    let mut out = Vec::new();
    let mut rest = body;
    while let Some(at) = find(rest, mark.as_bytes()) {
        rest = &rest[at + mark.len()..];
        let Some(part) = rest.strip_prefix(b"\r\n") else { break };
        let end = find(part, format!("\r\n{mark}").as_bytes()).unwrap_or(part.len());
        out.push(one_part(&part[..end]));
    }
    Value::Array(out)
}

fn one_part(part: &[u8]) -> Value {
    let at = find(part, b"\r\n\r\n").unwrap_or(part.len());
    let (head, content) = (String::from_utf8_lossy(&part[..at]), part.get(at + 4..).unwrap_or_default());
    let header = |wanted: &str| {
        head.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.trim().to_owned())
    };
    let disposition = header("content-disposition").unwrap_or_default();
    let field = |name: &str| {
        let (_, value) = disposition.split_once(&format!(" {name}=\""))?;
        Some(value.split('"').next().unwrap_or_default().to_owned())
    };
    let mut out = json!({ "name": field("name"), "content_type": header("content-type") });
    match field("filename") {
        Some(file) => {
            let (form, content) = bytes(content);
            out["filename"] = json!(file);
            out[form] = content;
        }
        None => out["text"] = json!(String::from_utf8_lossy(content)),
    }
    out
}

/// As cases record bytes: long ones by length and checksum.
fn bytes(content: &[u8]) -> (String, Value) {
    if content.len() <= 4096 {
        return ("hex".into(), json!(hex(content)));
    }
    ("blob".into(), json!({ "length": content.len(), "sha256": hex(&Sha256::digest(content)) }))
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}
