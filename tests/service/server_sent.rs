//! `/events` as server-sent events: the same stream for clients without WebSocket.

use std::net::SocketAddr;
use std::time::Duration;

use balena_agent::service::Config;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Fake, Running, get, request};

struct Follower {
    stream: TcpStream,
    text: String,
}

impl Follower {
    async fn new(address: SocketAddr, path: &str, header: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n{header}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        Self { stream, text: String::new() }
    }

    /// Reads until the text is there, or the end; gives all that came.
    async fn until(&mut self, words: &str) -> &str {
        let read = async {
            let mut buffer = [0; 4096];
            while !self.text.contains(words) {
                match self.stream.read(&mut buffer).await.unwrap() {
                    0 => break,
                    count => self.text.push_str(&String::from_utf8_lossy(&buffer[..count])),
                }
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(30), read).await;
        assert!(found.is_ok(), "waited for {words}: {}", self.text);
        &self.text
    }

    /// The last event of this kind, from its data.
    fn event(&self, kind: &str) -> Value {
        let (_, event) = self.text.rsplit_once(&format!("event: {kind}\ndata: ")).unwrap();
        serde_json::from_str(event.lines().next().unwrap()).unwrap()
    }
}

#[tokio::test]
async fn the_state_then_changes_then_the_end() {
    let fake = Fake::start().await;
    let service = Running::start(&fake, Config::default().heartbeat(Duration::from_millis(50))).await;
    service.ready().await;
    let mut follower = Follower::new(service.address, "/events", "").await;
    let text = follower.until("event: snapshot\n").await;
    assert!(text.contains("HTTP/1.1 200") && text.contains("content-type: text/event-stream"), "{text}");
    assert!(text.contains("retry: "), "{text}");
    follower.until("\n:\n").await;
    fake.set(|state| state["shop"]["services"]["main"]["status"] = json!("exited"));
    follower.until("event: service_status_changed\n").await;
    follower.until("\n\n").await;
    assert_eq!(get(service.address, "/status").await.json()["events"]["clients"], 1);
    let (text, ()) = tokio::join!(follower.until("event: agent_stopping\n"), service.stop());
    assert!(text.contains("event: agent_stopping\n"), "{text}");
}

#[tokio::test]
async fn a_client_resumes_by_header_or_query_and_wrong_queries_are_named() {
    let fake = Fake::start().await;
    let service = Running::start(&fake, Config::default()).await;
    service.ready().await;
    let mut first = Follower::new(service.address, "/events", "").await;
    first.until("event: snapshot\n").await;
    first.until("}\n\n").await;
    let id = first.event("snapshot")["id"].as_str().unwrap().to_owned();
    drop(first);
    fake.set(|state| state["shop"]["commit"] = json!("bbb"));
    for (path, header) in [
        (format!("/events?since={id}"), String::new()),
        ("/events".to_owned(), format!("last-event-id: {id}\r\n")),
        (format!("/events?since={id}&kind=release_changed"), String::new()),
    ] {
        let mut again = Follower::new(service.address, &path, &header).await;
        let text = again.until("event: release_changed\n").await;
        assert!(!text.contains("event: snapshot"), "only what was missed: {text}");
    }
    let mut old = Follower::new(service.address, "/events?since=000000000001-7", "").await;
    let text = old.until("event: snapshot\n").await;
    assert!(text.contains("event: reset\n"), "{text}");

    for (path, words) in [("/events?kind=lease", "unknown kind"), ("/events?token=x", "unknown parameter")] {
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\nconnection: close\r\n\r\n"
        );
        let answer = request(service.address, &head).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(answer.body.contains(words), "{}", answer.body);
    }
    service.stop().await;
}
