//! A cloud on this machine: the logs of some devices, kept and streamed as the real one does.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Lines that are kept of a device.
pub(crate) const KEPT: usize = 1000;

/// The log of one device.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) lines: Vec<(i64, String)>,
    /// Bytes after which each connection is cut, in turn; without one it stays.
    pub(crate) cuts: Vec<usize>,
    /// Lines that are written while nobody is connected, in turn.
    pub(crate) meanwhile: Vec<Vec<(i64, String)>>,
    /// Whether `start` is understood; older servers tell all they have.
    pub(crate) knows_times: bool,
    pub(crate) connections: usize,
    pub(crate) closed: usize,
}

/// Listens until the process ends.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    address: SocketAddr,
    logs: Arc<Mutex<BTreeMap<String, Log>>>,
}

impl Server {
    pub(crate) fn start(logs: impl IntoIterator<Item = (String, Log)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let logs = Arc::new(Mutex::new(logs.into_iter().collect()));
        let server = Self { address: listener.local_addr().unwrap(), logs };
        let own = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let server = own.clone();
                // Whoever is cut off or goes away ends its connection.
                std::thread::spawn(move || drop(server.answer(stream.unwrap())));
            }
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn logs(&self) -> MutexGuard<'_, BTreeMap<String, Log>> {
        self.logs.lock().unwrap()
    }

    fn answer(&self, stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream);
        loop {
            let (mut request, mut header) = (String::new(), String::new());
            if reader.read_line(&mut request)? == 0 {
                return Ok(());
            }
            while reader.read_line(&mut header)? > 2 {
                header.clear();
            }
            let target = request.split(' ').nth(1).unwrap_or_default();
            let stream = reader.get_mut();
            if let Some((device, query)) =
                target.strip_prefix("/device/v2/").and_then(|rest| rest.split_once("/logs"))
            {
                return self.stream(device, query, stream);
            }
            // `/v6/device(uuid='…')`.
            let uuid = target.split("%27").nth(1).or_else(|| target.split('\'').nth(1)).unwrap_or_default();
            let known = self.logs().contains_key(uuid);
            let rows =
                if known { format!(r#"{{"d":[{{"uuid":"{uuid}"}}]}}"#) } else { r#"{"d":[]}"#.to_owned() };
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{rows}", rows.len())?;
        }
    }

    fn stream(&self, device: &str, query: &str, stream: &mut TcpStream) -> std::io::Result<()> {
        let value = |name: &str| {
            let pairs = query.trim_start_matches('?').split('&').filter_map(|pair| pair.split_once('='));
            pairs.filter(|(found, _)| *found == name).map(|(_, value)| value).next()
        };
        let (mut next, mut left) = {
            let mut logs = self.logs();
            let log = logs.get_mut(device).unwrap();
            if log.connections > 0 && !log.meanwhile.is_empty() {
                let lines = log.meanwhile.remove(0);
                log.lines.extend(lines);
            }
            log.connections += 1;
            let count = match value("count") {
                None => 0,
                Some("all") => KEPT,
                Some(count) => count.parse::<usize>().unwrap().min(KEPT),
            };
            let start: i64 =
                value("start").filter(|_| log.knows_times).map_or(0, |start| start.parse().unwrap());
            let first = log.lines.len() - count.min(log.lines.len());
            // In the order in which they came.
            let first = log.lines.iter().enumerate().skip(first).find(|(_, (at, _))| *at >= start);
            let next = first.map_or(log.lines.len(), |(index, _)| index);
            (next, (!log.cuts.is_empty()).then(|| log.cuts.remove(0)))
        };
        let date = jiff::fmt::rfc2822::DateTimePrinter::new();
        let date = date.timestamp_to_rfc9110_string(&jiff::Timestamp::now()).unwrap();
        let head = format!("HTTP/1.1 200 OK\r\nDate: {date}\r\nTransfer-Encoding: chunked\r\n\r\n");
        let mut bytes = head.into_bytes();
        loop {
            let whole = bytes.len();
            bytes.truncate(left.unwrap_or(whole));
            stream.write_all(&bytes).inspect_err(|_| self.went_away(device))?;
            if bytes.len() < whole {
                return stream.shutdown(Shutdown::Both);
            }
            left = left.map(|left| left - whole);
            let mut lines = self.next_lines(device, &mut next, left.is_some(), stream)?;
            if left.is_some_and(|left| lines.is_empty() || (left % 2 == 0 && left < lines.len())) {
                // It ends in an orderly way, though in mid-line.
                lines.truncate(left.unwrap_or_default());
                stream.write_all(&[&chunk(&lines)[..], b"0\r\n\r\n"].concat())?;
                return stream.shutdown(Shutdown::Both);
            }
            bytes = chunk(&lines);
        }
    }

    fn went_away(&self, device: &str) {
        self.logs().get_mut(device).unwrap().closed += 1;
    }

    /// Gives some lines; waits for them, unless the connection is to be cut anyway.
    fn next_lines(
        &self,
        device: &str,
        next: &mut usize,
        is_cut: bool,
        stream: &TcpStream,
    ) -> std::io::Result<Vec<u8>> {
        loop {
            let mut logs = self.logs();
            let log = logs.get_mut(device).unwrap();
            let lines: String = log.lines.iter().skip(*next).take(7).map(|(_, line)| line.as_str()).collect();
            if !lines.is_empty() || is_cut {
                *next = log.lines.len().min(*next + 7);
                return Ok(lines.into_bytes());
            }
            drop(logs);
            std::thread::sleep(Duration::from_millis(10));
            if is_closed(stream)? {
                self.went_away(device);
                return Err(std::io::ErrorKind::ConnectionAborted.into());
            }
        }
    }
}

/// An empty one would be the end.
fn chunk(bytes: &[u8]) -> Vec<u8> {
    if bytes.is_empty() {
        Vec::new()
    } else {
        [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
    }
}

/// Whether the other side is gone.
fn is_closed(stream: &TcpStream) -> std::io::Result<bool> {
    stream.set_nonblocking(true)?;
    let peeked = stream.peek(&mut [0]);
    stream.set_nonblocking(false)?;
    Ok(match peeked {
        Ok(read) => read == 0,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    })
}
