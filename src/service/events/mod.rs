//! `/events`: a WebSocket that sends the state and then each change.
//!
//! There is no queue. A session keeps the last snapshot it sent. When the client has taken all messages, the session
//! compares that snapshot with the current one and sends the difference. A slow client skips changes, gets a `lagged`
//! event, and then the current state. Its memory cost is bounded by one serialized state.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header, uri};
use axum::response::{IntoResponse, Response};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::service::context::Context;
use crate::service::device::{Applications, Change, Snapshot, SupervisorView, diff};
use crate::service::gateway::{
    ClientAddress, ConnectionSlot, ConnectionSlots, EvictionPolicy, NoSlot, SlotLimits, refuse,
};
use crate::service::now;
use crate::supervisor::DeviceState;

/// Time for the client to complete the upgrade of the connection.
const UPGRADE_LIMIT: Duration = Duration::from_secs(10);
/// Time for the close frame; shorter than the service's drain limit.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// Number of unanswered pings after which a client is disconnected.
const UNANSWERED_PINGS: u32 = 2;
/// When all slots are taken, a client that has not answered its first ping within this time is replaced by a new one.
const PONG_LIMIT: Duration = Duration::from_secs(5);
/// Longest accepted message of a client, in bytes. Clients have nothing to send.
const INCOMING_LIMIT: usize = 4096;
/// Size of a socket's buffer, in bytes. Each client has two.
const BUFFER: usize = 4096;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Answers a WebSocket upgrade request.
pub(crate) async fn upgrade(State(context): State<Arc<Context>>, mut request: Request) -> Response {
    let headers = request.headers();
    let Some(key) = websocket_key(request.method(), headers) else {
        let mut refusal =
            refuse(StatusCode::UPGRADE_REQUIRED, "this path speaks WebSocket (version 13) only");
        for (name, value) in [
            (header::UPGRADE, "websocket"),
            (header::CONNECTION, "upgrade, close"),
            (header::SEC_WEBSOCKET_VERSION, "13"),
        ] {
            refusal.headers_mut().insert(name, header::HeaderValue::from_static(value));
        }
        return refusal;
    };
    if !is_same_origin(headers) {
        return refuse(StatusCode::FORBIDDEN, "web pages of another origin can't follow this device");
    }
    let Some(ClientAddress(address)) = request.extensions().get().copied() else {
        return refuse(StatusCode::INTERNAL_SERVER_ERROR, "the address of the client is unknown");
    };
    let place = match context.clients.admit(address) {
        Ok((place, _)) => place,
        Err(full) => {
            let why = match full {
                NoSlot::All => "too many clients: AGENT_EVENTS_CLIENTS is the maximum",
                NoSlot::Address => {
                    "too many clients at this address: half of AGENT_EVENTS_CLIENTS is the maximum"
                }
            };
            return refuse(StatusCode::SERVICE_UNAVAILABLE, why);
        }
    };
    let upgraded = hyper::upgrade::on(&mut request);
    let started = match context.tasks.upgrade() {
        Some(tasks) => tasks.spawn("events", follow(context, upgraded, place)).is_ok(),
        None => false,
    };
    if !started {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "the service is stopping");
    }
    let headers = [
        (header::UPGRADE, "websocket".to_owned()),
        (header::CONNECTION, "upgrade".to_owned()),
        (header::SEC_WEBSOCKET_ACCEPT, key),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

/// Returns the value of `Sec-WebSocket-Accept`, if this is a WebSocket upgrade request.
fn websocket_key(method: &Method, headers: &HeaderMap) -> Option<String> {
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
    asked.then(|| derive_accept_key(key.as_bytes()))
}

/// Only browsers send `Origin`. They let any page open a WebSocket to any address, so the server must compare it.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let origin = origin.to_str().ok().and_then(|origin| origin.parse::<uri::Uri>().ok());
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    match (origin.as_ref().and_then(uri::Uri::authority), host) {
        (Some(origin), Some(host)) => origin.as_str().eq_ignore_ascii_case(host),
        _ => false,
    }
}

/// The slots for this many clients. No single address can take all of them.
pub(crate) fn places(clients: usize) -> ConnectionSlots {
    ConnectionSlots::new(SlotLimits {
        all: clients,
        for_loopback: clients / 4,
        for_one_address: clients.div_ceil(2),
        for_all_of_loopback: clients,
        giving_way: EvictionPolicy::Silent(PONG_LIMIT),
    })
}

async fn follow(context: Arc<Context>, upgraded: OnUpgrade, place: ConnectionSlot) {
    tokio::select! {
        () = place.evicted() => {}
        () = follow_to_the_end(context, upgraded, &place) => {}
    }
}

async fn follow_to_the_end(context: Arc<Context>, upgraded: OnUpgrade, place: &ConnectionSlot) {
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
        if session.send_changes().await == End::Stopping {
            session.say_goodbye().await;
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
}

struct Session<'a> {
    socket: Socket,
    context: Arc<Context>,
    place: &'a ConnectionSlot,
}

impl Session<'_> {
    async fn send_changes(&mut self) -> End {
        match self.try_tell().await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn try_tell(&mut self) -> Result<std::convert::Infallible, End> {
        let context = self.context.clone();
        let mut bus = context.bus.subscribe();
        let mut told = bus.borrow_and_update().clone();
        self.send(Message::text(state_text(&told))).await?;
        // A client that does not answer this ping is the first to be replaced when the slots run out.
        self.send(Message::Ping(bytes::Bytes::new())).await?;
        let beat = context.config.heartbeat;
        let mut heartbeat = interval_at(Instant::now() + beat, beat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut unanswered = 0;
        loop {
            tokio::select! {
                changed = bus.changed() => {
                    changed.map_err(|_| End::Stopping)?;
                    let present = bus.borrow_and_update().clone();
                    for text in missed_changes(&told, &present) {
                        self.send(Message::text(text)).await?;
                    }
                    if present.revision > told.revision + 1 {
                        context.meters.lagged();
                    }
                    told = present;
                }
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

    async fn say_goodbye(&mut self) {
        let frame = CloseFrame { code: CloseCode::Away, reason: Utf8Bytes::from_static("the service stops") };
        let _ = timeout(CLOSE_LIMIT, async {
            self.socket.close(Some(frame)).await?;
            while self.socket.next().await.transpose()?.is_some() {}
            Ok::<_, tokio_tungstenite::tungstenite::Error>(())
        })
        .await;
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "snapshot")]
struct StateEvent<'a> {
    time: Timestamp,
    supervisor: SupervisorView<'a>,
    device: Option<&'a DeviceState>,
    applications: Option<&'a Applications>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "lagged")]
struct LaggedEvent {
    time: Timestamp,
    /// Number of changes that were skipped.
    missed: u64,
}

#[derive(Serialize)]
struct ChangeEvent<'a> {
    #[serde(flatten)]
    change: &'a Change<'a>,
    time: Timestamp,
}

fn text(event: &impl Serialize) -> String {
    // Serializing these types can't fail.
    serde_json::to_string(event).unwrap_or_default()
}

fn state_text(snapshot: &Snapshot) -> String {
    text(&StateEvent {
        time: snapshot.changed,
        supervisor: snapshot.supervisor_view(None),
        device: snapshot.device.as_deref(),
        applications: snapshot.applications.as_deref(),
    })
}

/// Returns the messages that bring a client from the snapshot it has to the current one.
fn missed_changes(told: &Snapshot, present: &Snapshot) -> Vec<String> {
    let missed = present.revision.saturating_sub(told.revision + 1);
    if missed > 0 {
        return vec![text(&LaggedEvent { time: now(), missed }), state_text(present)];
    }
    match diff(told, present) {
        Some(changes) => {
            changes.iter().map(|change| text(&ChangeEvent { change, time: present.changed })).collect()
        }
        None => vec![state_text(present)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::device::tests::{at, shop};
    use serde_json::{Value, json};

    fn parsed(told: &Snapshot, present: &Snapshot) -> Vec<Value> {
        missed_changes(told, present).iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    }

    #[test]
    fn the_first_state_whole_then_changes_then_a_gap() {
        let empty = Snapshot::new(at(0));
        let mut one = empty.clone();
        one.succeed(shop("a", "done", &[("main", "Running")]), None, at(1));
        let first = parsed(&empty, &one);
        assert_eq!((first.len(), &first[0]["type"]), (1, &json!("snapshot")));
        assert_eq!(first[0]["applications"]["shop"]["services"]["main"]["status"], "Running");
        assert_eq!(first[0]["supervisor"]["connected"], true);
        let mut two = one.clone();
        two.succeed(shop("a", "done", &[("main", "exited")]), None, at(2));
        assert_eq!(
            parsed(&one, &two),
            [json!({
                "type": "service_status_changed", "time": "1970-01-01T00:00:02Z", "application": "shop",
                "app_id": 7, "service": "main", "status": "exited", "was": "Running",
            })]
        );
        let mut four = two.clone();
        four.succeed(shop("a", "done", &[("main", "Starting")]), None, at(3));
        four.succeed(shop("a", "done", &[("main", "Running")]), None, at(4));
        let late = parsed(&two, &four);
        assert_eq!((&late[0]["type"], &late[0]["missed"]), (&json!("lagged"), &json!(1)));
        assert_eq!(late[1]["type"], "snapshot");
    }

    #[test]
    fn origins() {
        let same = |origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, header::HeaderValue::from_static("localhost:48485"));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, header::HeaderValue::from_static(origin));
            }
            is_same_origin(&headers)
        };
        assert!(same(None) && same(Some("http://localhost:48485")) && same(Some("http://LOCALHOST:48485")));
        assert!(!same(Some("http://localhost")) && !same(Some("https://evil.example")));
        assert!(!same(Some("null")) && !same(Some("")) && !same(Some("file:///x")));
    }
}
