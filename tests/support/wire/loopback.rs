//! The supervisor of a case: a plain HTTP server on loopback that plays the script.

use std::fmt::Write as _;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::request::Sent;
use super::script::Script;

/// Listens until it is dropped; answers one request a connection.
pub(crate) async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

/// Never ends by itself.
pub(crate) async fn serve(listener: &TcpListener, script: &Script) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            // A client that goes away in the middle shows in the outcome of the case.
            let _ = answer(stream, script).await;
        }
    }
}

async fn answer(mut stream: TcpStream, script: &Script) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let header = |wanted: &str| {
        let headers = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        headers.filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim()).next()
    };
    let length: usize = header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    while bytes.len() < head_end + 4 + length {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
    let mut line = head.lines().next().unwrap_or_default().split(' ');
    let (method, target) = (line.next().unwrap_or_default(), line.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let answer = script.answer(&Sent {
        scheme: "http",
        authority: header("host").unwrap_or_default(),
        method,
        path,
        query,
        authorization: header("authorization"),
        content_type: header("content-type"),
        body: &bytes[head_end + 4..],
    });
    let Some(answer) = answer.filter(|answer| !answer.abort) else { return Ok(()) };
    let (body, content_type) = answer.body();
    let mut out = format!(
        "HTTP/1.1 {} Recorded\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\nconnection: close\r\n",
        answer.status,
        body.len()
    );
    for (name, value) in &answer.headers {
        write!(out, "{name}: {value}\r\n").expect("text grows");
    }
    out += "\r\n";
    stream.write_all(out.as_bytes()).await?;
    stream.write_all(&body).await?;
    stream.shutdown().await
}
