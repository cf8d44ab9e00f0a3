//! How the service starts and how it ends.

use std::time::Duration;

use balena_agent::service::{self, Config};
use futures_util::StreamExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::support::{Fake, Running, eventually, on};

#[tokio::test]
async fn shutdown_says_goodbye_and_returns_within_its_grace() {
    let fake = Fake::start().await;
    let service = Running::start(&fake, Config::default()).await;
    service.ready().await;
    let (mut socket, _) =
        tokio_tungstenite::connect_async(format!("ws://{}/events", service.address)).await.unwrap();
    socket.next().await.unwrap().unwrap();
    let mut events = service::Client::from(service.address).events().await.unwrap();
    events.next().await.unwrap().unwrap();
    let mut half_a_request = TcpStream::connect(service.address).await.unwrap();
    half_a_request.write_all(b"GET /live HTTP/1.1\r\n").await.unwrap();
    // A follower that takes nothing, not even the goodbye.
    let (_deaf, _) =
        tokio_tungstenite::connect_async(format!("ws://{}/events", service.address)).await.unwrap();

    let address = service.address;
    let closing = async {
        loop {
            if let Message::Close(frame) = socket.next().await.unwrap().unwrap() {
                break frame.unwrap();
            }
        }
    };
    let ending = async {
        loop {
            if let Err(error) = events.next().await.unwrap() {
                break error;
            }
        }
    };
    let begun = std::time::Instant::now();
    let ((), frame, error) = tokio::join!(service.stop(), closing, ending);
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert_eq!((frame.code, frame.reason.as_str()), (CloseCode::Away, "the service stops"));
    assert!(error.is_unreachable() && error.to_string().contains("the service stops"), "{error}");
    assert!(events.next().await.is_none(), "an error is the end");
    assert!(service::Client::from(address).health().await.unwrap_err().is_unreachable());
    assert!(service::Client::from(address).events().await.unwrap_err().is_unreachable());
}

#[tokio::test]
async fn a_dropped_service_leaves_nothing_behind() {
    let fake = Fake::start().await;
    let service = Running::start(&fake, Config::default()).await;
    service.ready().await;
    let (mut socket, _) =
        tokio_tungstenite::connect_async(format!("ws://{}/events", service.address)).await.unwrap();
    socket.next().await.unwrap().unwrap();
    let address = service.address;
    drop(service);
    assert!(!matches!(socket.next().await, Some(Ok(Message::Text(_)))));
    eventually("the port to be free", async || TcpListener::bind(address).await.ok()).await;
}

#[tokio::test]
async fn a_taken_port_and_faulty_settings_are_told_before_any_work() {
    let fake = Fake::start().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let never = || std::future::pending::<()>();
    let error = service::run(on(&fake), Config::default().listen(&address), never()).await.unwrap_err();
    assert!(error.is_io(), "{error}");
    assert!(error.to_string().contains(&address) && error.to_string().contains("AGENT_LISTEN"), "{error}");
    let error =
        service::run(on(&fake), Config::default().listen("203.0.113.1:48485").strict(), never()).await;
    assert!(error.unwrap_err().is_config());
    let vars = [("AGENT_LISTEN", "48485"), ("AGENT_POLL_SLOW", "often")];
    let error = service::run(on(&fake), Config::from_vars(vars).strict(), never()).await.unwrap_err();
    assert!(error.is_config() && error.to_string().contains("2 faults"), "{error}");
    assert_eq!(fake.calls(), 0);
}
