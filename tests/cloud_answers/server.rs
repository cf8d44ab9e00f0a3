//! A server on this machine that answers with one exchange after the other.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::Exchange;

/// Ends with the test.
pub(crate) struct Server {
    pub(crate) url: String,
    now: Arc<Mutex<Now>>,
    _task: JoinSet<()>,
}

#[derive(Default)]
struct Now {
    exchange: Option<Exchange>,
    /// How often the exchange was what was answered.
    played: usize,
}

/// Answers to what only finds out the device that a call is about.
const DEVICE: &str = r#"{"d":[{"id":3,"uuid":"8deb12a58e3b6d3920db1c2b6303d1ff","supervisor_version":"17.0.0","belongs_to__application":[{"id":8}]}]}"#;

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let now = Arc::<Mutex<Now>>::default();
        let mut task = JoinSet::new();
        let shared = now.clone();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(answer(stream, shared.clone()));
            }
        });
        Self { url, now, _task: task }
    }

    /// What is answered from now on.
    pub(crate) fn play(&self, exchange: Exchange) {
        *self.now.lock().unwrap() = Now { exchange: Some(exchange), played: 0 };
    }

    /// How often it was.
    pub(crate) fn played(&self) -> usize {
        self.now.lock().unwrap().played
    }
}

async fn answer(mut stream: TcpStream, now: Arc<Mutex<Now>>) {
    let head = request(&mut stream).await;
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let text = {
        let mut now = now.lock().unwrap();
        let Some(exchange) = now.exchange.clone() else { return };
        let is_resource = target.starts_with("/v6/") || target.starts_with("/v7/");
        if method == "GET"
            && is_resource
            && (exchange.request.method != "GET" || exchange.resource().is_none())
        {
            format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{DEVICE}",
                DEVICE.len()
            )
        } else {
            now.played += 1;
            let headers = [("content-type", &exchange.content_type), ("retry-after", &exchange.retry_after)];
            let mut text = format!("HTTP/1.1 {} X\r\nconnection: close\r\n", exchange.status);
            for (name, value) in headers {
                text.extend(value.iter().map(|value| format!("{name}: {value}\r\n")));
            }
            if exchange.status == 304 || exchange.status == 204 {
                text + "\r\n"
            } else {
                text + &format!("content-length: {}\r\n\r\n{}", exchange.body.len(), exchange.body)
            }
        }
    };
    // Who has what is wanted may go away.
    drop(stream.write_all(text.as_bytes()).await);
    drop(stream.shutdown().await);
}

/// Head and body; the head is given.
async fn request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { break };
        bytes.push(byte);
    }
    let head = String::from_utf8(bytes).unwrap();
    let lower = head.to_ascii_lowercase();
    let length =
        lower.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    drop(stream.read_exact(&mut body).await);
    head
}
