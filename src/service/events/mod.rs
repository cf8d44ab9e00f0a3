//! `/events`: what happens on the device and in the agent, as a stream.
//!
//! All events are in one bounded [`EventLog`], serialized once. A client has no queue, only a position in the log. One
//! that is too slow for the log gets `lagged` and then the present state. Its memory cost is bounded by its two
//! buffers and one serialized state.
//!
//! Each event has an `id`, `epoch-sequence`. A client that connects again with `since=<id>` gets what it missed; if
//! the log does not have it any more, or the service was started anew, it gets `reset` and then the present state.

mod access;
mod changes;
mod feed;
mod id;
mod kind;
mod log;
mod query;
mod sse;
mod websocket;

use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderMap};
use http::{StatusCode, uri};

use super::context::Context;
use super::gateway::{Answer, Call, ConnectionSlots, EvictionPolicy, NoSlot, Refusal, SlotLimits};
use query::StreamQuery;

pub(crate) use access::StreamAccess;
pub(crate) use changes::publish_changes;
pub(crate) use kind::EventKind;
pub(crate) use log::EventLog;

/// When all slots are taken, a client that has not answered its first ping within this time is replaced by a new one.
const PONG_LIMIT: Duration = Duration::from_secs(5);

/// Starts the stream that the request asks for.
///
/// # Errors
/// 400, 401, 403, 426 or 503, with what is wrong.
pub(crate) fn follow(context: Arc<Context>, call: Call, access: StreamAccess) -> Answer {
    let key = websocket::accept_key(call.head.method(), call.headers());
    if key.is_none() && !sse::is_asked(call.headers()) {
        return Err(websocket::upgrade_required());
    }
    if !is_same_origin(call.headers()) {
        let why = "web pages of another origin can't follow this device";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "other_origin", why));
    }
    // Only clients of server-sent events have the header.
    let last = call.header("last-event-id").filter(|id| key.is_none() && !id.is_empty());
    let query = StreamQuery::parse(call.head.uri().query(), last)
        .map_err(|fault| Refusal::bad_request("bad_query", fault))?;
    let (place, _) = context.clients.admit(call.caller.address).map_err(|full| {
        let why = match full {
            NoSlot::All => "too many clients: AGENT_EVENTS_CLIENTS is the maximum",
            NoSlot::Address => {
                "too many clients at this address: half of AGENT_EVENTS_CLIENTS is the maximum"
            }
        };
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_clients", why)
    })?;
    match (key, access) {
        (Some(key), access) => websocket::start(context, call.head, key, (query, access, place)),
        (None, StreamAccess::Granted(guard)) => Ok(sse::response(context, query, guard, place)),
        (None, StreamAccess::FirstMessage(_)) => {
            let why = "a token is needed, in the header `Authorization: Bearer …`";
            Err(Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", why))
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

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
