//! A server on loopback that plays a script byte for byte and records what it was asked.
//!
//! It runs in threads of its own, so that no delay of the client's runtime hides in it, and it ends with
//! the test: when dropped, and at the latest after [`LIFETIME`].
#![allow(dead_code, reason = "each suite uses its part of it")]

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// No script takes longer; a server that is forgotten ends by itself.
const LIFETIME: Duration = Duration::from_secs(60);
/// How often a thread that waits looks whether it should end.
const GLANCE: Duration = Duration::from_millis(5);

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query, raw.
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Which connection it came on, from 0.
    pub(crate) connection: usize,
    pub(crate) at: Instant,
}

impl Request {
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The query's pairs, decoded as a form.
    pub(crate) fn query(&self) -> Vec<(String, String)> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        let decode = |text: &str| {
            let spaced = text.replace('+', " ");
            percent_encoding::percent_decode_str(&spaced).decode_utf8().expect("UTF-8").into_owned()
        };
        query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decode(name), decode(value)))
            .collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

type Make = Box<dyn FnOnce(&Request) -> Vec<u8> + Send>;

enum Act {
    Send(Vec<u8>),
    Wait(Duration),
    /// Answers with what is made of the request.
    Make(Make),
}

/// What becomes of a connection after a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Keep,
    Close,
    /// Stays open and silent until the other side closes it.
    Hold,
}

/// What is done with one request.
pub(crate) struct Turn {
    acts: Vec<Act>,
    end: End,
    /// Does not wait for the request's body.
    early: bool,
}

impl Turn {
    /// These bytes, then as `end` says.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>, end: End) -> Self {
        Self { acts: vec![Act::Send(bytes.into())], end, early: false }
    }

    /// A whole answer with a length; the connection stays.
    pub(crate) fn answer(status: u16, content_type: Option<&str>, body: impl AsRef<[u8]>) -> Self {
        Self::raw(answer(status, content_type, body.as_ref()), End::Keep)
    }

    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self::answer(status, Some("text/html; charset=utf-8"), body)
    }

    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::answer(status, Some("application/json; charset=utf-8"), body.to_string())
    }

    /// An answer that is made of the request.
    pub(crate) fn make(make: impl FnOnce(&Request) -> Vec<u8> + Send + 'static) -> Self {
        Self { acts: vec![Act::Make(Box::new(make))], end: End::Keep, early: false }
    }

    /// Reads the request and closes.
    pub(crate) fn close() -> Self {
        Self { acts: Vec::new(), end: End::Close, early: false }
    }

    /// Reads the request and says nothing.
    pub(crate) fn silence() -> Self {
        Self { acts: Vec::new(), end: End::Hold, early: false }
    }

    /// Each piece after a pause.
    pub(crate) fn drip(pieces: impl IntoIterator<Item = Vec<u8>>, pause: Duration, end: End) -> Self {
        let acts = pieces.into_iter().flat_map(|piece| [Act::Wait(pause), Act::Send(piece)]).collect();
        Self { acts, end, early: false }
    }

    pub(crate) fn after(mut self, pause: Duration) -> Self {
        self.acts.insert(0, Act::Wait(pause));
        self
    }

    pub(crate) fn then(mut self, end: End) -> Self {
        self.end = end;
        self
    }

    pub(crate) fn early(mut self) -> Self {
        self.early = true;
        self
    }
}

/// The bytes of an answer.
pub(crate) fn answer(status: u16, content_type: Option<&str>, body: &[u8]) -> Vec<u8> {
    let content_type = content_type.map(|value| format!("Content-Type: {value}\r\n")).unwrap_or_default();
    let length = match status {
        204 | 304 => String::new(),
        _ => format!("Content-Length: {}\r\n", body.len()),
    };
    let mut bytes = format!("HTTP/1.1 {status} X\r\n{content_type}{length}\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

#[derive(Default)]
struct Shared {
    turns: Mutex<VecDeque<Turn>>,
    requests: Mutex<Vec<Request>>,
    connections: AtomicUsize,
    /// Connections that the other side closed while it was its turn to wait.
    left: AtomicUsize,
    stop: AtomicBool,
}

/// The server. A request beyond the script is recorded and its connection closed.
pub(crate) struct Scripted {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Scripted {
    pub(crate) fn new(turns: impl IntoIterator<Item = Turn>) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").expect("loopback"), turns)
    }

    pub(crate) fn on(listener: TcpListener, turns: impl IntoIterator<Item = Turn>) -> Self {
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared { turns: Mutex::new(turns.into_iter().collect()), ..Shared::default() });
        listener.set_nonblocking(true).expect("a listener");
        let accepting = shared.clone();
        std::thread::spawn(move || accept(&listener, &accepting));
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().expect("no panic").clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Waits until the other side has closed `count` of the connections that were held for it.
    pub(crate) async fn left(&self, count: usize) -> bool {
        for _ in 0..400 {
            if self.shared.left.load(Ordering::SeqCst) >= count {
                return true;
            }
            tokio::time::sleep(GLANCE).await;
        }
        false
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
    }
}

/// A port that is taken, yet nobody listens on it: who connects is refused.
pub(crate) struct Refusing(tokio::net::TcpSocket);

impl Refusing {
    pub(crate) fn new() -> Self {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("loopback");
        Self(socket)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().expect("an address"))
    }

    /// Listens from now on.
    pub(crate) fn listen(self, turns: impl IntoIterator<Item = Turn>) -> Scripted {
        let listener = self.0.listen(64).expect("a listener").into_std().expect("a listener");
        Scripted::on(listener, turns)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let began = Instant::now();
    while !over(shared, began) {
        match listener.accept() {
            Ok((stream, _)) => {
                let id = shared.connections.fetch_add(1, Ordering::SeqCst);
                let shared = shared.clone();
                std::thread::spawn(move || Peer { stream, shared, began, id, unread: Vec::new() }.serve());
            }
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

fn over(shared: &Shared, began: Instant) -> bool {
    shared.stop.load(Ordering::SeqCst) || began.elapsed() > LIFETIME
}

struct Peer {
    stream: TcpStream,
    shared: Arc<Shared>,
    began: Instant,
    id: usize,
    unread: Vec<u8>,
}

impl Peer {
    fn serve(mut self) {
        self.stream.set_nonblocking(false).expect("a socket");
        self.stream.set_nodelay(true).expect("a socket");
        self.stream.set_read_timeout(Some(GLANCE)).expect("a socket");
        while let Some((mut request, length)) = self.head() {
            let turn = self.shared.turns.lock().expect("no panic").pop_front();
            let early = turn.as_ref().is_some_and(|turn| turn.early);
            if !early && !self.fill(length) {
                return;
            }
            request.body = self.unread.drain(..length.min(self.unread.len())).collect();
            self.shared.requests.lock().expect("no panic").push(request.clone());
            let Some(turn) = turn else { return };
            if !self.play(turn.acts, &request) {
                return;
            }
            match turn.end {
                End::Keep => {}
                End::Close => return,
                End::Hold => {
                    while self.more() {}
                    return;
                }
            }
        }
    }

    /// The next request without its body, and the body's length; `None` when the connection is over.
    fn head(&mut self) -> Option<(Request, usize)> {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.more() {
                return None;
            }
        };
        let head = String::from_utf8(self.unread.drain(..end).collect()).expect("a head in UTF-8");
        let mut lines = head.lines();
        let mut first = lines.next()?.split(' ');
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let request = Request {
            method: first.next()?.to_owned(),
            target: first.next()?.to_owned(),
            headers,
            body: Vec::new(),
            connection: self.id,
            at: Instant::now(),
        };
        let length = request.header("content-length").map_or(0, |length| length.parse().expect("a length"));
        Some((request, length))
    }

    fn fill(&mut self, length: usize) -> bool {
        while self.unread.len() < length {
            if !self.more() {
                return false;
            }
        }
        true
    }

    /// Reads what there is; `false` when the connection or the script is over.
    fn more(&mut self) -> bool {
        let mut piece = [0; 16 * 1024];
        while !over(&self.shared, self.began) {
            match self.stream.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => {
                    self.unread.extend_from_slice(&piece[..count]);
                    return true;
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => break,
            }
        }
        if !over(&self.shared, self.began) {
            self.shared.left.fetch_add(1, Ordering::SeqCst);
        }
        false
    }

    fn play(&mut self, acts: Vec<Act>, request: &Request) -> bool {
        acts.into_iter().all(|act| match act {
            Act::Send(bytes) => self.stream.write_all(&bytes).is_ok(),
            Act::Make(make) => self.stream.write_all(&make(request)).is_ok(),
            Act::Wait(pause) => {
                let until = Instant::now() + pause;
                while Instant::now() < until && !over(&self.shared, self.began) {
                    std::thread::sleep(GLANCE.min(until.saturating_duration_since(Instant::now())));
                }
                true
            }
        })
    }
}
