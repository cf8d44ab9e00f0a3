//! The recent events: a ring with a bound on number and bytes. Each event is serialized once, for all clients.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::id::{Epoch, EventId};
use super::kind::EventKind;
use crate::service::now;

/// Most bytes of all events in the ring. The last event stays, whatever its size.
const BYTES: usize = 256 * 1024;

/// An event with its JSON text. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) id: EventId,
    pub(crate) kind: EventKind,
    pub(crate) text: Utf8Bytes,
}

/// What follows a position in the ring.
#[derive(Debug)]
pub(crate) enum Next {
    /// Nothing yet.
    Nothing,
    /// This event.
    Event(Event),
    /// The ring does not hold the next event any more; this many are lost up to now.
    Missed(u64),
}

/// The recent events. All clones are the same log.
#[derive(Debug, Clone)]
pub(crate) struct EventLog(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    epoch: Epoch,
    ring: Mutex<Ring>,
    /// Sequence number of the last event.
    last: watch::Sender<u64>,
}

#[derive(Debug)]
struct Ring {
    events: VecDeque<Event>,
    bytes: usize,
    /// Most events.
    count: usize,
    last: u64,
}

/// The fields of each event. `data` is an object with the other ones.
#[derive(Serialize)]
struct Published<'a, T> {
    id: EventId,
    #[serde(rename = "type")]
    kind: EventKind,
    time: Timestamp,
    #[serde(flatten)]
    data: &'a T,
}

impl EventLog {
    /// Creates an empty log that keeps this many events.
    pub(crate) fn new(count: usize) -> Self {
        Self::with_epoch(Epoch::random(), count)
    }

    pub(super) fn with_epoch(epoch: Epoch, count: usize) -> Self {
        let ring = Ring { events: VecDeque::new(), bytes: 0, count, last: 0 };
        Self(Arc::new(Shared { epoch, ring: Mutex::new(ring), last: watch::Sender::new(0) }))
    }

    /// Adds an event. `data` has to be a struct or a map; its fields must not be `id`, `type` or `time`.
    pub(crate) fn publish(&self, kind: EventKind, data: &impl Serialize) {
        self.add(kind, |id| json(&Published { id, kind, time: now(), data }));
    }

    /// Adds an event with this text.
    pub(super) fn add(&self, kind: EventKind, text: impl FnOnce(EventId) -> String) {
        let mut ring = self.ring();
        let sequence = ring.last + 1;
        let id = EventId { epoch: self.0.epoch, sequence };
        ring.push(Event { id, kind, text: text(id).into() });
        // Under the ring's lock, so that the number never goes back.
        self.0.last.send_replace(sequence);
    }

    /// Returns the id of the last event; sequence number 0 before the first one.
    pub(crate) fn last(&self) -> EventId {
        EventId { epoch: self.0.epoch, sequence: self.ring().last }
    }

    /// Returns what follows the event with this sequence number.
    pub(super) fn after(&self, sequence: u64) -> Next {
        self.ring().after(sequence)
    }

    /// Returns whether the events after this one are all in the ring.
    pub(super) fn can_resume_after(&self, id: EventId) -> bool {
        let ring = self.ring();
        id.epoch == self.0.epoch && id.sequence <= ring.last && id.sequence + 1 >= ring.first()
    }

    /// Returns a receiver of the last sequence number.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.last.subscribe()
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn push(&mut self, event: Event) {
        self.last = event.id.sequence;
        self.bytes += event.text.len();
        self.events.push_back(event);
        while self.events.len() > 1 && (self.events.len() > self.count || self.bytes > BYTES) {
            if let Some(oldest) = self.events.pop_front() {
                self.bytes -= oldest.text.len();
            }
        }
    }

    /// Returns the sequence number of the oldest event; that of the next event if there is none.
    fn first(&self) -> u64 {
        self.events.front().map_or(self.last + 1, |event| event.id.sequence)
    }

    fn after(&self, sequence: u64) -> Next {
        if sequence >= self.last {
            return Next::Nothing;
        }
        let index = (sequence + 1).checked_sub(self.first()).and_then(|index| usize::try_from(index).ok());
        match index.and_then(|index| self.events.get(index)) {
            Some(event) => Next::Event(event.clone()),
            None => Next::Missed(self.last - sequence),
        }
    }
}

/// Returns the JSON text of an event.
pub(super) fn json(event: &impl Serialize) -> String {
    // Serializing these types can't fail.
    serde_json::to_string(event).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn log(count: usize) -> EventLog {
        EventLog::with_epoch(Epoch::of(1), count)
    }

    fn id(epoch: u64, sequence: u64) -> EventId {
        EventId { epoch: Epoch::of(epoch), sequence }
    }

    fn sequence(next: Next) -> Result<u64, u64> {
        match next {
            Next::Event(event) => Ok(event.id.sequence),
            Next::Missed(missed) => Err(missed),
            Next::Nothing => Err(0),
        }
    }

    #[test]
    fn events_are_numbered_and_have_the_common_fields() {
        let log = log(4);
        assert_eq!(log.last().sequence, 0);
        log.publish(EventKind::LeaseGranted, &json!({ "name": "backup", "client": "main" }));
        let Next::Event(event) = log.after(0) else { panic!("no event") };
        let value: Value = serde_json::from_str(&event.text).unwrap();
        assert_eq!((&value["id"], &value["type"]), (&json!("000000000001-1"), &json!("lease_granted")));
        assert_eq!((&value["name"], &value["client"]), (&json!("backup"), &json!("main")));
        assert!(value["time"].as_str().unwrap().parse::<Timestamp>().is_ok());
    }

    #[test]
    fn the_ring_is_bounded_in_number_and_bytes() {
        let log = log(4);
        for _ in 0..10 {
            log.publish(EventKind::ActionStarted, &json!({}));
        }
        assert_eq!(sequence(log.after(10)), Err(0));
        assert_eq!(sequence(log.after(9)), Ok(10));
        assert_eq!(sequence(log.after(6)), Ok(7), "the four last ones are kept");
        assert_eq!(sequence(log.after(5)), Err(5), "6 is gone, and what follows is skipped with it");
        log.publish(EventKind::ActionStarted, &json!({ "text": "x".repeat(BYTES - 200) }));
        log.publish(EventKind::ActionStarted, &json!({ "text": "x".repeat(400) }));
        assert_eq!(sequence(log.after(11)), Ok(12));
        assert_eq!(sequence(log.after(10)), Err(2), "bytes count too");
        log.publish(EventKind::ActionStarted, &json!({ "text": "x".repeat(2 * BYTES) }));
        assert_eq!(sequence(log.after(12)), Ok(13), "the last one stays, whatever its size");
    }

    #[test]
    fn where_a_client_can_resume() {
        let log = log(4);
        assert!(log.can_resume_after(id(1, 0)), "nothing happened yet");
        for _ in 0..10 {
            log.publish(EventKind::ActionStarted, &json!({}));
        }
        for (at, expected) in [(10, true), (6, true), (5, false), (0, false), (11, false), (u64::MAX, false)]
        {
            assert_eq!(log.can_resume_after(id(1, at)), expected, "{at}");
        }
        assert!(!log.can_resume_after(id(2, 9)), "another epoch");
    }
}
