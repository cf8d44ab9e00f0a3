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
use std::io::{BufReader, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

use balena_agent::transport::{Body, BoxFuture, Request, Response, Transport, TransportError};
use balena_agent::{Balena, LogEvent, RetryPolicy, Settings};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use support::{Server, cpu, peak};

mod support;

const LINES: usize = 1_000_000;
/// Lines a piece, about what a connection gives at once.
const PIECE: usize = 100;
const UUID: &str = "8deb12a58e3b6d3920db1c2b6303d1ff";

fn main() {
    if support::is_server() {
        return serve();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let memory = Balena::builder().transport(Arc::new(Memory(pieces())));
        follow("from memory", memory).await;
        let server = Server::start();
        let api_endpoint = Some(format!("http://{}", server.address));
        let settings = Settings { api_endpoint, ..Settings::default() };
        follow("over a socket", Balena::builder().settings(settings)).await;
    });
}

/// Reads all lines, and tells what that took.
async fn follow(what: &str, builder: balena_agent::Builder) {
    let balena = builder.token("t".to_owned().into()).retry(RetryPolicy::never()).build();
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

fn serve() {
    let chunk = |piece: &Bytes| [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat().into();
    let pieces: Vec<Bytes> = pieces().iter().map(chunk).collect();
    support::serve(move |stream| answer(stream, &pieces));
}

/// Answers requests of one connection until it is closed.
fn answer(stream: TcpStream, pieces: &[Bytes]) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = support::request(&mut reader) {
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
