//! The WebSocket form of the stream: one JSON object per message.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::access::{StreamAccess, StreamGuard, VerifyToken, token};
use super::feed::Feed;
use super::kind::EventKind;
use super::query::StreamQuery;
use crate::service::context::Context;
use crate::service::gateway::{Answer, Body, ConnectionSlot, Refusal, Response};

/// Time for the client to complete the upgrade of the connection.
const UPGRADE_LIMIT: Duration = Duration::from_secs(10);
/// Time for the first message, if it has to carry the client's token.
const TOKEN_LIMIT: Duration = Duration::from_secs(5);
/// Time for the close frame; shorter than the service's drain limit.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// Number of unanswered pings after which a client is disconnected.
const UNANSWERED_PINGS: u32 = 2;
/// Longest accepted message of a client, in bytes. Clients have nothing to send but a token.
const INCOMING_LIMIT: usize = 4096;
/// Size of a socket's buffer, in bytes. Each client has two.
const BUFFER: usize = 4096;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Returns the value of `Sec-WebSocket-Accept`, if this is a WebSocket upgrade request.
pub(super) fn accept_key(method: &Method, headers: &HeaderMap) -> Option<HeaderValue> {
    let has = |name, word: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').any(|token| token.trim().eq_ignore_ascii_case(word)))
    };
    let asked = method == Method::GET
        && has(header::CONNECTION, "upgrade")
        && has(header::UPGRADE, "websocket")
        && has(header::SEC_WEBSOCKET_VERSION, "13");
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?;
    HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok().filter(|_| asked)
}

/// Answers a request that is no WebSocket upgrade and asks for no event stream either.
pub(super) fn upgrade_required() -> Refusal {
    let why =
        "this path speaks WebSocket (version 13), or server-sent events for `Accept: text/event-stream`";
    let headers: [(HeaderName, _); 3] = [
        (header::UPGRADE, "websocket"),
        (header::CONNECTION, "upgrade, close"),
        (header::SEC_WEBSOCKET_VERSION, "13"),
    ];
    headers.into_iter().fold(
        Refusal::new(StatusCode::UPGRADE_REQUIRED, "upgrade_required", why),
        |refusal, (name, value)| refusal.with_header(name, HeaderValue::from_static(value)),
    )
}

/// Answers the upgrade and starts the session.
pub(super) fn start(
    context: Arc<Context>,
    mut request: Request<()>,
    key: HeaderValue,
    (query, access, place): (StreamQuery, StreamAccess, ConnectionSlot),
) -> Answer {
    let upgraded = hyper::upgrade::on(&mut request);
    let started = match context.tasks.upgrade() {
        Some(tasks) => tasks.spawn("events", follow(context, upgraded, query, access, place)).is_ok(),
        None => false,
    };
    if !started {
        let why = "the service is stopping";
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", why));
    }
    let mut response = Response::new(Body::from(String::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, key);
    Ok(response)
}

async fn follow(
    context: Arc<Context>,
    upgraded: OnUpgrade,
    query: StreamQuery,
    access: StreamAccess,
    place: ConnectionSlot,
) {
    tokio::select! {
        () = place.evicted() => {}
        () = follow_to_the_end(context, upgraded, query, access, &place) => {}
    }
}

async fn follow_to_the_end(
    context: Arc<Context>,
    upgraded: OnUpgrade,
    query: StreamQuery,
    access: StreamAccess,
    place: &ConnectionSlot,
) {
    let upgraded = tokio::select! {
        upgraded = timeout(UPGRADE_LIMIT, upgraded) => upgraded,
        () = context.stop.requested() => return,
    };
    if let Ok(Ok(upgraded)) = upgraded {
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER)
            .write_buffer_size(BUFFER)
            .max_message_size(Some(INCOMING_LIMIT))
            .max_frame_size(Some(INCOMING_LIMIT));
        let socket =
            WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
        let mut session = Session { socket, context, place };
        match session.run(query, access).await {
            End::Gone => {}
            End::Stopping => session.close(CloseCode::Away, "the service stops").await,
            End::Refused(why) => session.close(CloseCode::Policy, why).await,
        }
    }
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client disconnected or does not respond.
    Gone,
    /// The service is stopping.
    Stopping,
    /// The client showed no valid token.
    Refused(&'static str),
}

struct Session<'a> {
    socket: Socket,
    context: Arc<Context>,
    place: &'a ConnectionSlot,
}

impl Session<'_> {
    async fn run(&mut self, query: StreamQuery, access: StreamAccess) -> End {
        let guard = match access {
            StreamAccess::Granted(guard) => Ok(guard),
            StreamAccess::FirstMessage(verify) => self.authenticate(verify).await,
        };
        let sent = match guard {
            // The guard lives as long as the stream.
            Ok(_guard) => {
                let mut feed = Feed::new(&self.context.events, &self.context.bus, query);
                let sent = self.send_events(&mut feed).await;
                if sent == Err(End::Stopping) {
                    let _ = timeout(CLOSE_LIMIT, self.send_last(&mut feed)).await;
                }
                sent
            }
            Err(end) => Err(end),
        };
        match sent {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    /// Waits for the first message, which carries the token.
    async fn authenticate(&mut self, verify: VerifyToken) -> Result<StreamGuard, End> {
        const HOW: &str = "the first message has to be {\"token\": \"…\"}, within 5 s";
        let first = tokio::select! {
            first = timeout(TOKEN_LIMIT, self.socket.next()) => first,
            () = self.context.stop.requested() => return Err(End::Stopping),
        };
        match first {
            Ok(Some(Ok(Message::Text(text)))) => {
                let token = token(&text).ok_or(End::Refused(HOW))?;
                let guard = verify(token).map_err(End::Refused)?;
                self.place.mark_active();
                Ok(guard)
            }
            Ok(Some(Ok(message))) if !message.is_close() => Err(End::Refused(HOW)),
            Err(_) => Err(End::Refused(HOW)),
            Ok(_) => Err(End::Gone),
        }
    }

    async fn send_events(&mut self, feed: &mut Feed) -> Result<Infallible, End> {
        let context = self.context.clone();
        self.send_pending(feed).await?;
        // A client that does not answer this ping is the first to be replaced when the slots run out.
        self.send(Message::Ping(bytes::Bytes::new())).await?;
        let beat = context.config.heartbeat;
        let mut heartbeat = interval_at(Instant::now() + beat, beat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut unanswered = 0;
        loop {
            tokio::select! {
                () = feed.changed() => self.send_pending(feed).await?,
                // The socket itself answers pings and the close handshake.
                incoming = self.socket.next() => match incoming {
                    Some(Ok(message)) if !message.is_close() => {
                        unanswered = 0;
                        self.place.mark_active();
                    }
                    _ => return Err(End::Gone),
                },
                _ = heartbeat.tick() => {
                    if unanswered >= UNANSWERED_PINGS {
                        return Err(End::Gone);
                    }
                    unanswered += 1;
                    self.send(Message::Ping(bytes::Bytes::new())).await?;
                }
                () = context.stop.requested() => return Err(End::Stopping),
            }
        }
    }

    async fn send_pending(&mut self, feed: &mut Feed) -> Result<(), End> {
        while let Some(event) = feed.next_event() {
            if event.kind == EventKind::Lagged {
                self.context.meters.lagged();
            }
            self.send(Message::Text(event.text)).await?;
        }
        Ok(())
    }

    /// Sends the events up to the stop, so that each client that reads gets `agent_stopping`.
    async fn send_last(&mut self, feed: &mut Feed) -> Result<(), Error> {
        while let Some(event) = feed.next_event() {
            self.socket.send(Message::Text(event.text)).await?;
        }
        Ok(())
    }

    /// Sends a message, with a deadline as long as the pings allow a client to stay silent.
    async fn send(&mut self, message: Message) -> Result<(), End> {
        let limit = self.context.config.heartbeat * (UNANSWERED_PINGS + 1);
        tokio::select! {
            sent = timeout(limit, self.socket.send(message)) => match sent {
                Ok(Ok(())) => Ok(()),
                _ => Err(End::Gone),
            },
            () = self.context.stop.requested() => Err(End::Stopping),
        }
    }

    async fn close(&mut self, code: CloseCode, why: &'static str) {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(why) };
        let _ = timeout(CLOSE_LIMIT, async {
            self.socket.close(Some(frame)).await?;
            while self.socket.next().await.transpose()?.is_some() {}
            Ok::<_, Error>(())
        })
        .await;
    }
}
