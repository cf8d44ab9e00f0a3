//! What it costs to follow a log: a million lines, from memory and from a server on this machine, and the
//! memory that takes. The server is this program again, in a process of its own.
//!
//!     cargo bench --bench logs

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a benchmark stops at what it can't do, and its figures are small"
)]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use balena_agent::transport::{Body, BoxFuture, Request, Response, Transport, TransportError};
use balena_agent::{Balena, LogEvent, Retry, Settings};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

const SERVE: &str = "BALENA_AGENT_BENCH_SERVE";
const LINES: usize = 1_000_000;
/// Lines a piece, about what a connection gives at once.
const PIECE: usize = 100;
const UUID: &str = "8deb12a58e3b6d3920db1c2b6303d1ff";

fn main() {
    if std::env::var_os(SERVE).is_some() {
        return serve();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let memory = Balena::builder().transport(Arc::new(Memory(pieces())));
        follow("from memory", memory).await;
        let (mut server, address) = server();
        let settings = Settings { api_endpoint: Some(format!("http://{address}")), ..Settings::default() };
        follow("over a socket", Balena::builder().settings(settings)).await;
        server.kill().unwrap();
        server.wait().unwrap();
    });
}

/// Reads all lines, and tells what that took.
async fn follow(what: &str, builder: balena_agent::Builder) {
    let balena = builder.token("t".to_owned().into()).retry(Retry::never()).build();
    let mut log = balena.logs().subscribe(UUID).await.unwrap();
    let (mut start, mut before, mut bytes) = (Instant::now(), cpu(), 0);
    let warm = LINES / 10;
    let mut peak_before = 0;
    for number in 0..LINES + warm {
        if number == warm {
            (start, before, peak_before) = (Instant::now(), cpu(), peak());
        }
        match log.next().await.unwrap().unwrap() {
            LogEvent::Line(line) => bytes += line.message.len(),
            other => panic!("{other:?}"),
        }
    }
    let (wall, cpu) = (start.elapsed().as_secs_f64(), cpu() - before);
    println!(
        "{LINES} lines {what}: {:.0} lines/s ({:.2} µs CPU each), messages of {} bytes; peak {:.1} MiB resident, \
         {} KiB more than after {warm}",
        LINES as f64 / wall,
        cpu / LINES as f64 * 1e6,
        bytes / (LINES + warm),
        peak() as f64 / 1024.0,
        peak() - peak_before,
    );
}

/// A few pieces that come again and again.
fn pieces() -> Vec<Bytes> {
    let piece = |number: usize| {
        let mut text = String::new();
        for line in number * PIECE..(number + 1) * PIECE {
            let at = 1_705_314_030_123 + line;
            let source = if line % 2 == 0 { "src/sensors/temperature.py" } else { "src/sensors/humidity.py" };
            writeln!(
                text,
                r#"{{"createdAt":{at},"timestamp":{},"isSystem":false,"isStdErr":{},"message":"2024-01-15T10:20:30.123Z INFO {source}: reading \"{line}\" taken, 21.5 \u00b0C, queued for upload","serviceId":28970}}"#,
                at - 23,
                line % 10 == 0,
            )
            .unwrap();
        }
        Bytes::from(text)
    };
    (0..64).map(piece).collect()
}

/// Answers without a connection.
#[derive(Debug)]
struct Memory(Vec<Bytes>);

impl Transport for Memory {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        let pieces = self.0.clone();
        Box::pin(async move {
            let body = if request.uri().path().ends_with("/logs") {
                Body::new(stream::iter(pieces).cycle().map(Ok))
            } else {
                let row = format!(r#"{{"d":[{{"uuid":"{UUID}"}}]}}"#);
                Body::new(stream::iter([Ok(Bytes::from(row))]))
            };
            Ok(http::Response::new(body))
        })
    }
}

fn server() -> (Child, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .env(SERVE, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut address).unwrap();
    (child, address.trim().to_owned())
}

fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap());
    let pieces: Vec<Bytes> = pieces()
        .iter()
        .map(|piece| [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat().into())
        .collect();
    for stream in listener.incoming() {
        let pieces = pieces.clone();
        std::thread::spawn(move || answer(stream.unwrap(), &pieces));
    }
}

/// Answers requests of one connection until it is closed.
fn answer(stream: TcpStream, pieces: &[Bytes]) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut request = String::new();
        if reader.read_line(&mut request).unwrap_or(0) == 0 {
            return;
        }
        let mut header = String::new();
        while reader.read_line(&mut header).unwrap_or(0) > 2 {
            header.clear();
        }
        let stream = reader.get_mut();
        if request.contains("/logs") {
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            let mut all = std::iter::once(&head[..]).chain(pieces.iter().map(|piece| &piece[..]).cycle());
            while all.next().is_some_and(|piece| stream.write_all(piece).is_ok()) {}
            return;
        }
        let body = format!(r#"{{"d":[{{"uuid":"{UUID}"}}]}}"#);
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// CPU seconds of this process so far.
fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/schedstat").unwrap();
    stat.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// Highest resident memory so far, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
