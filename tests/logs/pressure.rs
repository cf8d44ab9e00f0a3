//! Who reads slowly slows the server down, and who goes away closes the connection.

use std::io::Write as _;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use balena_agent::{Balena, LogEvent, Settings};

use crate::server::{Log, Server};
use crate::{UUID, line};

/// More than all buffers on the way to a reader of this machine hold; they are the kernel's but for a few hundred
/// KiB.
const BUFFERS: usize = 12 * 1024 * 1024;

/// A server that writes lines as fast as it may, and counts the bytes.
fn endless(written: &Arc<AtomicUsize>, closed: &Arc<AtomicBool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (written, closed) = (written.clone(), closed.clone());
    std::thread::spawn(move || {
        let mut lines = (0..100).map(|at| line(at, &"x".repeat(500))).collect::<String>();
        lines = format!("{:x}\r\n{lines}\r\n", lines.len());
        loop {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 2048];
            loop {
                let size = std::io::Read::read(&mut stream, &mut request).unwrap_or(0);
                let asked = String::from_utf8_lossy(&request[..size]).into_owned();
                if size == 0 {
                    break;
                } else if !asked.contains("/logs") {
                    let rows = format!(r#"{{"d":[{{"uuid":"{UUID}"}}]}}"#);
                    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{rows}", rows.len())
                        .unwrap();
                    continue;
                }
                stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
                while stream.write_all(lines.as_bytes()).is_ok() {
                    written.fetch_add(lines.len(), Ordering::Relaxed);
                }
                closed.store(true, Ordering::Relaxed);
                break;
            }
        }
    });
    address
}

#[tokio::test]
async fn a_reader_that_stops_stops_the_server() {
    let (written, closed) = (Arc::default(), Arc::default());
    let settings = Settings { api_endpoint: Some(endless(&written, &closed)), ..Settings::default() };
    let balena = Balena::builder().settings(settings).token("t".to_owned().into()).build();
    let mut log = balena.logs().subscribe(UUID).await.unwrap();
    for _ in 0..10 {
        assert!(matches!(log.next().await, Some(Ok(LogEvent::Line(_)))));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let then = written.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let now = written.load(Ordering::Relaxed);
    assert!(now == then && now < BUFFERS, "{then} and then {now} bytes were written");
    // It goes on where it was.
    for _ in 0..50_000 {
        assert!(matches!(log.next().await, Some(Ok(LogEvent::Line(_)))));
    }
    assert!(written.load(Ordering::Relaxed) > now);
    drop(log);
    let gone = async {
        while !closed.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone).await.expect("dropping closes the connection");
}

#[tokio::test]
async fn dropping_a_silent_one_closes_the_connection() {
    let server = Server::start([(UUID.to_owned(), Log::default())]);
    let mut log = server.builder().build().logs().subscribe(UUID).await.unwrap();
    server.write(UUID, 1, &line(1, "one"));
    assert!(matches!(log.next().await, Some(Ok(LogEvent::Line(_)))));
    assert_eq!(server.logs()[UUID].closed, 0);
    drop(log);
    let gone = async {
        while server.logs()[UUID].closed == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone).await.expect("nobody reads any more");
}
