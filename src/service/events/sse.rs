//! The stream as server-sent events: for clients without WebSocket, e.g. `curl` and `EventSource`.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::unfold;
use http::{HeaderMap, StatusCode, header};
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::access::StreamGuard;
use super::feed::Feed;
use super::kind::EventKind;
use super::log::Event;
use super::query::StreamQuery;
use crate::service::context::Context;
use crate::service::gateway::{Body, ConnectionSlot, Response, respond};

/// Content type of the stream.
pub(super) const CONTENT_TYPE: &str = "text/event-stream";
/// Time after which a client connects again by itself, in milliseconds.
const RETRY: &str = "retry: 5000\n\n";
/// A comment, which keeps connections alive.
const HEARTBEAT: &str = ":\n\n";

/// Returns whether the client asks for server-sent events.
pub(super) fn is_asked(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepts.flat_map(|value| value.split(',')).any(|kind| {
        let kind = kind.split(';').next().unwrap_or_default();
        kind.trim().eq_ignore_ascii_case(CONTENT_TYPE)
    })
}

/// Returns the response: its body goes on until the client disconnects or the service stops.
pub(super) fn response(
    context: Arc<Context>,
    query: StreamQuery,
    guard: StreamGuard,
    place: ConnectionSlot,
) -> Response {
    let beat = context.config.heartbeat;
    let mut heartbeat = interval_at(Instant::now() + beat, beat);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let feed = Feed::new(&context.events, &context.bus, query);
    let pieces = Pieces { feed, context, heartbeat, place, _guard: guard, step: Step::Hello };
    let body = StreamBody::new(unfold(pieces, async |mut pieces| {
        let piece = pieces.next_piece().await?;
        Some((Ok::<_, Infallible>(Frame::data(piece)), pieces))
    }));
    respond(StatusCode::OK, CONTENT_TYPE, Body::Stream(Box::pin(body)))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Hello,
    Events,
    /// The service stops: only what is already there is sent.
    Last,
}

/// The pieces of a body. The server asks for the next one only when the client has taken the ones before.
struct Pieces {
    feed: Feed,
    context: Arc<Context>,
    heartbeat: Interval,
    place: ConnectionSlot,
    _guard: StreamGuard,
    step: Step,
}

impl Pieces {
    async fn next_piece(&mut self) -> Option<Bytes> {
        if self.step == Step::Hello {
            self.step = Step::Events;
            return Some(Bytes::from_static(RETRY.as_bytes()));
        }
        loop {
            if let Some(event) = self.feed.next_event() {
                if event.kind == EventKind::Lagged {
                    self.context.meters.lagged();
                }
                self.place.mark_active();
                return Some(piece(&event));
            }
            if self.step == Step::Last {
                return None;
            }
            tokio::select! {
                () = self.feed.changed() => {}
                _ = self.heartbeat.tick() => return Some(Bytes::from_static(HEARTBEAT.as_bytes())),
                () = self.place.evicted() => return None,
                () = self.context.stop.requested() => self.step = Step::Last,
            }
        }
    }
}

/// Returns an event in the form of the stream. JSON has no line ends, so it is one line of data.
fn piece(event: &Event) -> Bytes {
    format!("id: {}\nevent: {}\ndata: {}\n\n", event.id, event.kind.as_str(), event.text).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::events::id::{Epoch, EventId};

    #[test]
    fn who_asks_for_it() {
        let asks = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            is_asked(&headers)
        };
        assert!(asks("text/event-stream") && asks("application/json, Text/Event-Stream;q=0.9"));
        assert!(!asks("*/*") && !asks("text/event-stream-2") && !is_asked(&HeaderMap::new()));
    }

    #[test]
    fn the_form_of_an_event() {
        let event = Event {
            id: EventId { epoch: Epoch::of(1), sequence: 7 },
            kind: EventKind::LeaseLost,
            text: "{\"type\":\"lease_lost\"}".into(),
        };
        let form = "id: 000000000001-7\nevent: lease_lost\ndata: {\"type\":\"lease_lost\"}\n\n";
        assert_eq!(piece(&event), form);
    }
}
