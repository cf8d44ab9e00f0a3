//! Clients that cost the others something: what they hold is taken from them, and the health check is answered.

use std::net::SocketAddr;
use std::time::Duration;

use balena_agent::service::{self, Config};
use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::{Fake, Process, Running, command, eventually, get};

const CLIENTS: usize = 300;

/// What such a client sends, and then leaves it at.
const COSTLY: [(&str, &str); 6] = [
    ("half a head", "GET /live HTTP/1.1\r\nhost: x\r\n"),
    ("nothing", ""),
    ("a request, and then idle", "GET /live HTTP/1.1\r\nhost: localhost\r\n\r\n"),
    ("half a body", "POST /status HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\nx"),
    (
        "half a chunk",
        "POST /status HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nfffff\r\nx",
    ),
    ("half an upgrade", "GET /events HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\n"),
];

/// Connects, sends this a byte at a time, and when it is closed does so again, for ever.
async fn bother(address: SocketAddr, text: &'static str) {
    loop {
        if let Ok(mut stream) = TcpStream::connect(address).await {
            let _ = stream.write_all(text.as_bytes()).await;
            let mut rest = [0; 256];
            while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn clients_that_hold_connections_do_not_starve_the_health_check() {
    let fake = Fake::start().await;
    for (what, text) in COSTLY {
        let process = Process::run(&fake, None);
        process.ready().await;
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            clients.spawn(bother(process.address, text));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        for _ in 0..5 {
            let took = process.healthcheck(&fake).await.unwrap_or_else(|| panic!("{what}: not alive"));
            assert!(took < Duration::from_secs(3), "{what}: after {took:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        clients.shutdown().await;
        let metrics = get(process.address, "/metrics").await.body;
        let (_, log) = process.end(Signal::SIGTERM).await;
        let lines = log.lines().filter(|line| line.contains("too many connections")).count();
        let displaced = !metrics.contains("balena_agent_connections_displaced_total 0\n");
        assert_eq!(lines, usize::from(displaced), "{what}: one line in a minute\n{log}");
        assert!(displaced || text.contains("\r\n\r\n"), "{what}: all {CLIENTS} had a place\n{metrics}");
    }
}

#[tokio::test]
async fn a_client_that_takes_no_answer_lets_go() {
    let fake = Fake::start().await;
    let process = Process::run(&fake, None);
    process.ready().await;
    let requests = "GET /status HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(20_000);
    let mut clients = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(process.address).await.unwrap();
        // As many as fit; the answers are left where they are.
        let _ = tokio::time::timeout(Duration::from_millis(20), stream.write_all(requests.as_bytes())).await;
        clients.push(stream);
    }
    let took = process.healthcheck(&fake).await.expect("alive");
    assert!(took < Duration::from_secs(3), "after {took:?}");
}

#[tokio::test]
async fn without_file_descriptors_connections_give_way_too() {
    let fake = Fake::start().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let unlimited = command(&fake, &[]);
    let mut shell = tokio::process::Command::new("/bin/sh");
    shell
        .args(["-c", "ulimit -n 40; exec \"$0\" run --listen \"$1\""])
        .arg(unlimited.as_std().get_program())
        .arg(&address)
        .env_clear()
        .envs(unlimited.as_std().get_envs().filter_map(|(name, value)| Some((name, value?))))
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true);
    let process = Process::of(shell.spawn().unwrap(), address.parse().unwrap());
    process.ready().await;
    let mut clients = JoinSet::new();
    for _ in 0..100 {
        clients.spawn(bother(process.address, COSTLY[0].1));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    for _ in 0..3 {
        let took = process.healthcheck(&fake).await.expect("alive");
        assert!(took < Duration::from_secs(3), "after {took:?}");
    }
    clients.shutdown().await;
    let (_, log) = process.end(Signal::SIGTERM).await;
    assert_eq!(log.lines().filter(|line| line.contains("can't accept")).count(), 1, "{log}");
}

#[tokio::test]
async fn followers_that_never_react_give_way_and_others_stay() {
    let fake = Fake::start().await;
    let service = Running::start(&fake, Config::default().events_clients(8)).await;
    let mut good = service::Client::from(service.address).events().await.unwrap();
    let reading = async {
        loop {
            if let Err(error) = good.next().await.unwrap() {
                break error;
            }
        }
    };
    let pressed = async {
        let open = "GET /events HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
            sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        let mut silent = Vec::new();
        for _ in 0..7 {
            let mut stream = TcpStream::connect(service.address).await.unwrap();
            stream.write_all(open.as_bytes()).await.unwrap();
            silent.push(stream);
        }
        eventually("all places to be taken", async || {
            (get(service.address, "/status").await.json()["events"]["clients"] == 8).then_some(())
        })
        .await;
        let refused = service::Client::from(service.address).events().await.unwrap_err();
        assert!(refused.to_string().contains("AGENT_EVENTS_CLIENTS"), "{refused}");
        tokio::time::sleep(Duration::from_secs(6)).await;
        // One after the other takes the place of a silent one, and none that of the good one.
        let mut late = Vec::new();
        for _ in 0..7 {
            late.push(service::Client::from(service.address).events().await.expect("a place"));
        }
        assert!(service::Client::from(service.address).events().await.unwrap_err().is_rejected());
    };
    tokio::select! {
        error = reading => panic!("a follower that answers was sent away: {error}"),
        () = pressed => {}
    }
    service.stop().await;
}
