//! The client of a running service: health check and events. Used by the command line and by other containers.

use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use crate::error::{BODY_LIMIT, Error, ErrorKind, Result};
use crate::http::{HyperTransport, ServerAddress, Transport as _};

/// Deadline of a health check with all its attempts, and of opening the event stream.
const DEADLINE: Duration = Duration::from_secs(5);
/// Silence after which a client gives up the service. The service pings at least every minute.
pub(crate) const SILENCE_LIMIT: Duration = Duration::from_secs(150);

/// Attempts of a health check whose connection is closed before a response, and the pause between two attempts. They
/// fill most of the deadline.
const MAX_ATTEMPTS: u32 = 15;
const RETRY_DELAY: Duration = Duration::from_millis(200);

const IS_IT_RUNNING: &str = "is `balena-agent run` running, and is AGENT_LISTEN the same for both?";

/// Sends `GET /live` to the service at this address, with a deadline of 5 s. Returns `Ok` if the service is alive.
///
/// # Errors
/// `is_unreachable` if nothing listens on the address; `is_timeout` after 5 s; `is_server`, with the reason, if the
/// service is not alive; `is_decode` if the response is not that of balena-agent.
pub async fn health(address: SocketAddr) -> Result<()> {
    timeout(DEADLINE, ask_live(address)).await.unwrap_or_else(|_| Err(too_late("GET /live", address)))
}

/// A service under load may close a connection before it answers. A further attempt may succeed.
async fn ask_live(address: SocketAddr) -> Result<()> {
    let mut tries = 1;
    loop {
        match ask_live_once(address).await {
            Err(error) if tries < MAX_ATTEMPTS && error.is_unreachable() && error.was_sent() => {
                tries += 1;
                sleep(RETRY_DELAY).await;
            }
            result => return result.map_err(|error| error.with_attempts(tries)),
        }
    }
}

async fn ask_live_once(address: SocketAddr) -> Result<()> {
    let operation = "GET /live";
    let request = http::Request::get("/live")
        .header(http::header::HOST, address.to_string())
        .body(Bytes::new())
        .map_err(|cause| unreachable(operation, address, &cause))?;
    let transport = HyperTransport::new(ServerAddress::Tcp(address.to_string()));
    let response = transport.send(request).await.map_err(|cause| match cause {
        cause if cause.is_garbled() => not_ours(operation, address, &cause),
        cause if cause.sent => cut_off(operation, address, &cause),
        cause => unreachable(operation, address, &cause),
    })?;
    let status = response.status().as_u16();
    let body = response.into_body().collect_truncated(BODY_LIMIT).await;
    let body: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
    let word = |name: &str| body.as_ref()?.get(name)?.as_str();
    match (status, word("status")) {
        (200, Some("ok")) => Ok(()),
        (503, Some(_)) => {
            let reason = word("reason").unwrap_or("no reason given");
            Err(Error::new(ErrorKind::Server, format!("the service is not alive: {reason}"))
                .with_operation(operation)
                .with_status(status)
                .with_sent(true))
        }
        _ => Err(not_ours(operation, address, &format_args!("status {status}")).with_status(status)),
    }
}

/// Opens the event stream of the service at this address: the first event is the state, each further one a change.
///
/// # Errors
/// `is_unreachable` if nothing listens on the address; `is_timeout` if no response comes within 5 s; `is_rejected` if
/// the service rejects the client, e.g. because it has too many; `is_decode` if the response is not that of
/// balena-agent.
pub async fn subscribe(address: SocketAddr) -> Result<Events> {
    timeout(DEADLINE, open(address)).await.unwrap_or_else(|_| Err(too_late("GET /events", address)))
}

async fn open(address: SocketAddr) -> Result<Events> {
    let operation = "GET /events";
    let stream =
        TcpStream::connect(address).await.map_err(|cause| unreachable(operation, address, &cause))?;
    let request = format!("ws://{address}/events");
    match tokio_tungstenite::client_async(request, stream).await {
        Ok((socket, _)) => {
            Ok(Events { socket: Some(socket), address, silence: Box::pin(sleep(SILENCE_LIMIT)) })
        }
        Err(SocketError::Http(response)) => {
            let status = response.status().as_u16();
            let body = response.body().as_deref().unwrap_or_default();
            let body: Option<serde_json::Value> = serde_json::from_slice(body).ok();
            let error = match body.as_ref().and_then(|body| body.get("error")?.as_str()) {
                Some(words) => Error::new(ErrorKind::Rejected, format!("refused with {status}: {words}"))
                    .with_operation(operation)
                    .with_sent(true),
                None => not_ours(operation, address, &format_args!("status {status}")),
            };
            Err(error.with_status(status))
        }
        Err(SocketError::Io(cause)) => Err(cut_off(operation, address, &cause)),
        // The service closed the connection before it sent a response.
        Err(SocketError::Protocol(cause @ ProtocolError::HandshakeIncomplete)) => {
            Err(cut_off(operation, address, &cause))
        }
        Err(cause) => Err(not_ours(operation, address, &cause).with_source(cause)),
    }
}

fn unreachable(operation: &'static str, address: SocketAddr, why: &dyn fmt::Display) -> Error {
    Error::new(ErrorKind::Unreachable, format!("can't reach the service at {address} ({why})"))
        .with_operation(operation)
        .with_help(IS_IT_RUNNING)
}

fn cut_off(operation: &'static str, address: SocketAddr, why: &dyn fmt::Display) -> Error {
    let text = format!("the server at {address} closed the connection before a response ({why})");
    Error::new(ErrorKind::Unreachable, text)
        .with_operation(operation)
        .with_sent(true)
        .with_help("the service is stopping, has too many clients, or is not balena-agent; try again")
}

fn not_ours(operation: &'static str, address: SocketAddr, why: &dyn fmt::Display) -> Error {
    Error::new(ErrorKind::Decode, format!("the server at {address} is not balena-agent ({why})"))
        .with_operation(operation)
        .with_sent(true)
        .with_help(IS_IT_RUNNING)
}

fn too_late(operation: &'static str, address: SocketAddr) -> Error {
    Error::new(ErrorKind::Timeout, format!("no response from {address} within {} s", DEADLINE.as_secs()))
        .with_operation(operation)
        .with_sent(true)
        .with_help("the service is stuck or the device is very busy; restart it if this persists")
}

/// The events of a service, as a `Stream` of JSON objects in text. The last item is always an error: why the stream
/// ended. Dropping it closes the connection.
pub struct Events {
    /// `None` once the stream has ended.
    socket: Option<WebSocketStream<TcpStream>>,
    address: SocketAddr,
    silence: Pin<Box<Sleep>>,
}

impl Events {
    /// Returns the next event as JSON text; `None` after the final error.
    pub async fn next(&mut self) -> Option<Result<String>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    fn over(&mut self, kind: ErrorKind, why: &dyn fmt::Display) -> Poll<Option<Result<String>>> {
        self.socket = None;
        let text = format!("the events of {} ended: {why}", self.address);
        Poll::Ready(Some(Err(Error::new(kind, text)
            .with_operation("GET /events")
            .with_sent(true)
            .with_help("subscribe again; the first event is the current state"))))
    }
}

impl Stream for Events {
    type Item = Result<String>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(socket) = &mut self.socket else { return Poll::Ready(None) };
            let Poll::Ready(incoming) = Pin::new(socket).poll_next(cx) else {
                ready!(self.silence.as_mut().poll(cx));
                return self.over(ErrorKind::Timeout, &"no message came within the limit");
            };
            // The socket itself answers pings. Here every message resets the silence timer.
            self.silence.as_mut().reset(Instant::now() + SILENCE_LIMIT);
            match incoming {
                Some(Ok(Message::Text(text))) => return Poll::Ready(Some(Ok(text.as_str().to_owned()))),
                Some(Ok(Message::Close(frame))) => {
                    let why = frame.map(|frame| frame.reason.as_str().to_owned()).unwrap_or_default();
                    let why =
                        if why.is_empty() { "the service closed the connection".to_owned() } else { why };
                    return self.over(ErrorKind::Unreachable, &why);
                }
                Some(Ok(_)) => {}
                Some(Err(cause)) => return self.over(ErrorKind::Unreachable, &cause),
                None => return self.over(ErrorKind::Unreachable, &"the service closed the connection"),
            }
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("address", &self.address).finish_non_exhaustive()
    }
}
