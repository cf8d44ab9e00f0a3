//! An HTTP/1.1 client that sends exactly what it is told, and tells exactly what came back.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::cases::{Request, RequestBody};

/// Longest wait for an answer when a case does not say.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) status: Option<u16>,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// Why there is no complete answer.
    pub(crate) outcome: Option<String>,
    pub(crate) elapsed: Duration,
}

impl Received {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as cases record it: JSON if it is labelled so, else text.
    pub(crate) fn value(&self) -> Value {
        let is_json =
            self.headers.get("content-type").is_some_and(|kind| kind.starts_with("application/json"));
        if is_json {
            serde_json::from_slice(&self.body).unwrap_or_else(|_| self.text().into())
        } else {
            self.text().into()
        }
    }
}

/// How long the client stays.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    /// Gives up when there is no whole answer by then.
    pub(crate) gives_up_after: Option<Duration>,
    /// Reads a stream for so long.
    pub(crate) reads_for: Option<Duration>,
}

/// Opens a connection; `None` if it is refused.
pub(crate) async fn connect(address: SocketAddr) -> Option<TcpStream> {
    match TcpStream::connect(address).await {
        Ok(stream) => Some(stream),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => None,
        Err(error) => panic!("could not connect for a reason of our own: {error}"),
    }
}

/// Sends a request on a connection and reads the answer. Also whether the connection can be used again.
pub(crate) async fn exchange(stream: &mut TcpStream, request: &Request, limits: Limits) -> (Received, bool) {
    let started = Instant::now();
    let deadline = started + limits.reads_for.or(limits.gives_up_after).unwrap_or(PATIENCE);
    let bytes = encode(request, stream.peer_addr().ok());
    let mut received = Received::default();
    let mut reusable = false;
    let reading = async {
        // The server may answer, or close, before it has read everything.
        let (mut reader, mut writer) = stream.split();
        let (_, read) = tokio::join!(writer.write_all(&bytes), read(&mut reader, request, &mut received));
        read
    };
    match timeout_at(deadline, reading).await {
        Ok(Some(reuse)) => reusable = reuse,
        Ok(None) => received.outcome = Some("closed".to_owned()),
        Err(_) => {
            let patience = deadline.duration_since(started).as_secs_f64();
            let what = if limits.reads_for.is_some() { "still streaming after" } else { "no answer in" };
            received.outcome = Some(format!("{what} {patience}s"));
        }
    }
    received.elapsed = started.elapsed();
    (received, reusable)
}

fn encode(request: &Request, peer: Option<SocketAddr>) -> Vec<u8> {
    let version = request.http_version.as_deref().unwrap_or("1.1");
    let version = version.trim_start_matches("HTTP/");
    let mut bytes = format!("{} {} HTTP/{version}\r\n", request.method, target(request)).into_bytes();
    let mut line = |name: &str, value: &str| bytes.extend(format!("{name}: {value}\r\n").into_bytes());
    if let Some(peer) = peer.filter(|_| !request.omit_host) {
        line("Host", &peer.to_string());
    }
    for (name, value) in &request.headers {
        line(name, value);
    }
    let body = request.body.as_ref().map(body);
    match &body {
        Some(_) if request.chunked => line("Transfer-Encoding", "chunked"),
        Some(body) => line("Content-Length", &body.len().to_string()),
        None => {}
    }
    bytes.extend(b"\r\n");
    let body = body.unwrap_or_default();
    if request.chunked {
        for chunk in body.chunks(7) {
            bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
            bytes.extend(chunk);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\n\r\n");
    } else {
        bytes.extend(body);
    }
    bytes
}

fn target(request: &Request) -> String {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let pairs = request.query.iter().flat_map(|(name, value)| {
        let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        values.into_iter().map(move |value| format!("{}={}", encoded(name), encoded(&plain(&value))))
    });
    let query = pairs.collect::<Vec<_>>().join("&");
    match (query.is_empty(), request.path.contains('?')) {
        (true, _) => request.path.clone(),
        (false, false) => format!("{}?{query}", request.path),
        (false, true) => format!("{}&{query}", request.path),
    }
}

fn body(body: &RequestBody) -> Vec<u8> {
    match body {
        RequestBody::Json { json } => json.to_string().into_bytes(),
        RequestBody::Text { text } => text.clone().into_bytes(),
        RequestBody::GzipJson { gzip_json } => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(gzip_json.to_string().as_bytes()).expect("writing to memory");
            encoder.finish().expect("writing to memory")
        }
        RequestBody::Repeated { prefix, repeat, times } => {
            (prefix.clone() + &repeat.repeat(*times)).into_bytes()
        }
    }
}

/// `None` if the connection ended too early, else whether it can be used again.
async fn read(
    reader: &mut (impl AsyncReadExt + Unpin),
    request: &Request,
    received: &mut Received,
) -> Option<bool> {
    let mut buffer = Vec::new();
    let end = loop {
        if let Some(end) = position(&buffer, b"\r\n\r\n") {
            break end;
        }
        more(reader, &mut buffer).await?;
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let mut rest = buffer.split_off(end + 4);
    let mut lines = head.lines();
    received.status = lines.next()?.split(' ').nth(1)?.parse().ok();
    let headers = lines.filter_map(|line| line.split_once(':'));
    received.headers = headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect();
    let says = |name: &str, word: &str| {
        received.headers.get(name).is_some_and(|value| value.eq_ignore_ascii_case(word))
    };
    let reusable = !says("connection", "close");
    if request.method == "HEAD" || matches!(received.status, Some(204 | 304)) {
        return Some(reusable);
    }
    if says("transfer-encoding", "chunked") {
        loop {
            let line = loop {
                if let Some(end) = position(&rest, b"\r\n") {
                    break end;
                }
                more(reader, &mut rest).await?;
            };
            let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?.trim(), 16).ok()?;
            while rest.len() < line + 2 + size + 2 {
                more(reader, &mut rest).await?;
            }
            received.body.extend(&rest[line + 2..line + 2 + size]);
            rest.drain(..line + 2 + size + 2);
            if size == 0 {
                return Some(reusable);
            }
        }
    }
    let length = received.headers.get("content-length").and_then(|length| length.parse::<usize>().ok());
    let Some(length) = length else {
        while more(reader, &mut rest).await.is_some() {}
        received.body = rest;
        return Some(false);
    };
    while rest.len() < length {
        more(reader, &mut rest).await?;
    }
    rest.truncate(length);
    received.body = rest;
    Some(reusable)
}

async fn more(reader: &mut (impl AsyncReadExt + Unpin), buffer: &mut Vec<u8>) -> Option<()> {
    match reader.read_buf(buffer).await {
        Ok(1..) => Some(()),
        Ok(0) | Err(_) => None,
    }
}

fn position(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
