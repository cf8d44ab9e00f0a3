//! A server of one file that does what servers and connections do: break, forget, lie.
//!
//! It is the API too: `release_asset(1)` leads to the file. Speaks HTTP/1.1, a connection a request.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde_json::json;

/// How one connection to the file goes.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fault of its own")]
pub(crate) struct Turn {
    /// Which file: its bytes follow from it.
    pub(crate) seed: u64,
    pub(crate) length: u64,
    pub(crate) status: u16,
    /// Further headers.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) ranges: bool,
    /// Answers ranges whatever `If-Range` says.
    pub(crate) careless: bool,
    pub(crate) tells_length: bool,
    /// The connection breaks after so many bytes.
    pub(crate) breaks_after: Option<u64>,
    /// And stays silent instead of closing.
    pub(crate) hangs: bool,
}

impl Turn {
    /// A file that is served well.
    pub(crate) fn of(length: u64) -> Self {
        Self {
            seed: 1,
            length,
            status: 200,
            headers: vec![("etag", "\"one\"".to_owned())],
            ranges: true,
            careless: false,
            tells_length: true,
            breaks_after: None,
            hangs: false,
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn breaks_after(mut self, bytes: u64) -> Self {
        self.breaks_after = Some(bytes);
        self
    }

    fn has(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}

/// Fills the buffer with what a file has at this place.
pub(crate) fn content(seed: u64, start: u64, buffer: &mut [u8]) {
    let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let word = |at: u64| {
        let word = at.wrapping_add(seed).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)).to_le_bytes()
    };
    let skipped = usize::try_from(start % 8).expect("small");
    let (first, rest) = buffer.split_at_mut(((8 - skipped) % 8).min(buffer.len()));
    first.copy_from_slice(&word(start / 8)[skipped..][..first.len()]);
    for (at, bytes) in (start.div_ceil(8)..).zip(rest.chunks_mut(8)) {
        bytes.copy_from_slice(&word(at)[..bytes.len()]);
    }
}

#[derive(Debug, Default)]
struct State {
    /// One a connection, the last one for ever.
    turns: VecDeque<Turn>,
    asked: Vec<String>,
}

/// Listens as long as the process lives.
#[derive(Debug, Clone)]
pub(crate) struct FileServer {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl FileServer {
    pub(crate) fn start(turns: impl IntoIterator<Item = Turn>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let state = State { turns: turns.into_iter().collect(), asked: Vec::new() };
        let server = Self { address, state: Arc::new(Mutex::new(state)) };
        let shared = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let server = shared.clone();
                // A client that goes away is the client's business.
                thread::spawn(move || stream.and_then(|stream| server.answer(stream)));
            }
        });
        server
    }

    /// What was asked for of the file: its range and the condition, or `whole`.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.lock().asked.clone()
    }

    /// From now on it goes like this.
    pub(crate) fn then(&self, turns: impl IntoIterator<Item = Turn>) {
        self.lock().turns = turns.into_iter().collect();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let header = |wanted: &str| {
            let mut headers = head.lines().skip(1).filter_map(|line| line.split_once(':'));
            headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
        };
        let path = head.split(' ').nth(1).unwrap_or_default();
        if !path.starts_with("/file") {
            assert!(path.starts_with("/v7/release_asset(1)"), "{path}");
            let href = format!("http://{}/file?signature=s", self.address);
            let body = json!({ "d": [{ "asset": { "href": href } }] }).to_string();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            return stream.write_all((head + &body).as_bytes());
        }
        assert!(header("authorization").is_none(), "the token stays with the API");
        assert_eq!(header("accept-encoding"), Some("identity"));
        let turn = {
            let mut state = self.lock();
            let range =
                header("range").map(|range| format!("{range} if {}", header("if-range").unwrap_or("-")));
            state.asked.push(range.unwrap_or_else(|| "whole".to_owned()));
            if state.turns.len() > 1 { state.turns.pop_front() } else { state.turns.front().cloned() }
        };
        let turn = turn.expect("there is a turn");
        let start =
            header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        let validator = turn.has("etag").or_else(|| turn.has("last-modified"));
        let fits = turn.careless || header("if-range").is_none_or(|tag| Some(tag) == validator);
        let start: Option<u64> = start.filter(|_| turn.ranges && fits && turn.status == 200);
        send(&mut stream, &turn, start)
    }
}

fn send(stream: &mut TcpStream, turn: &Turn, range: Option<u64>) -> io::Result<()> {
    let start = range.unwrap_or(0);
    let status = match range {
        Some(start) if start >= turn.length => 416,
        Some(_) => 206,
        None => turn.status,
    };
    let mut head = format!("HTTP/1.1 {status} Told\r\nconnection: close\r\n");
    let mut line = |name: &str, value: &str| write!(head, "{name}: {value}\r\n").expect("text grows");
    for (name, value) in &turn.headers {
        line(name, value);
    }
    let length = if matches!(status, 200 | 206) { turn.length - start } else { 0 };
    if status == 206 {
        line("content-range", &format!("bytes {start}-{}/{}", turn.length - 1, turn.length));
    }
    if turn.tells_length {
        line("content-length", &length.to_string());
    } else {
        line("transfer-encoding", "chunked");
    }
    stream.write_all((head + "\r\n").as_bytes())?;
    let end = start + turn.breaks_after.unwrap_or(u64::MAX).min(length);
    let mut block = vec![0; 64 * 1024];
    let mut at = start;
    while at < end {
        let count = usize::try_from((end - at).min(64 * 1024)).expect("small");
        content(turn.seed, at, &mut block[..count]);
        if !turn.tells_length {
            stream.write_all(format!("{count:x}\r\n").as_bytes())?;
        }
        stream.write_all(&block[..count])?;
        if !turn.tells_length {
            stream.write_all(b"\r\n")?;
        }
        at += u64::try_from(count).expect("small");
    }
    if turn.hangs {
        thread::sleep(std::time::Duration::from_secs(3600));
    }
    if !turn.tells_length && end == start + length {
        stream.write_all(b"0\r\n\r\n")?;
    }
    Ok(())
}
