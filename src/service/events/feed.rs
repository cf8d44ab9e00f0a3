//! What one client gets, event by event. There is no queue: a client has a position in the log.

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::watch;

use super::changes::snapshot_text;
use super::id::EventId;
use super::kind::EventKind;
use super::log::{Event, EventLog, Next, json};
use super::query::{Filter, StreamQuery};
use crate::service::device::Snapshot;
use crate::service::now;

/// Tells a client that events are missing before the snapshot that follows.
#[derive(Serialize)]
struct GapEvent {
    #[serde(rename = "type")]
    kind: EventKind,
    id: EventId,
    time: Timestamp,
    /// Number of events that were skipped. Absent if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    missed: Option<u64>,
}

/// What a client gets next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Reset,
    Lagged { missed: u64 },
    Snapshot,
    Events,
}

/// A position in the log, and what is to be sent from there.
#[derive(Debug)]
pub(super) struct Feed {
    log: EventLog,
    bus: watch::Sender<Snapshot>,
    news: watch::Receiver<u64>,
    /// Sequence number of the last event that was sent or filtered out.
    position: u64,
    filter: Filter,
    step: Step,
}

impl Feed {
    /// Starts with the snapshot, or after `since` if the log still has all events from there.
    pub(super) fn new(log: &EventLog, bus: &watch::Sender<Snapshot>, query: StreamQuery) -> Self {
        let (step, position) = match query.since {
            None => (Step::Snapshot, 0),
            Some(id) if log.can_resume_after(id) => (Step::Events, id.sequence),
            Some(_) => (Step::Reset, 0),
        };
        let news = log.subscribe();
        Self { log: log.clone(), bus: bus.clone(), news, position, filter: query.filter, step }
    }

    /// Returns the next event that can be sent at once.
    pub(super) fn next_event(&mut self) -> Option<Event> {
        // Events up to now are looked at here; those that come later wake `changed`.
        self.news.mark_unchanged();
        loop {
            match self.step {
                Step::Reset => {
                    self.step = Step::Snapshot;
                    return Some(self.gap(EventKind::Reset, None));
                }
                Step::Lagged { missed } => {
                    self.step = Step::Snapshot;
                    return Some(self.gap(EventKind::Lagged, Some(missed)));
                }
                Step::Snapshot => {
                    self.step = Step::Events;
                    if let Some(snapshot) = self.snapshot() {
                        return Some(snapshot);
                    }
                }
                Step::Events => match self.log.after(self.position) {
                    Next::Nothing => return None,
                    Next::Missed(missed) => self.step = Step::Lagged { missed },
                    Next::Event(event) => {
                        self.position = event.id.sequence;
                        if self.filter.passes(event.kind) {
                            return Some(event);
                        }
                    }
                },
            }
        }
    }

    /// Resolves when [`Feed::next_event`] may have another event.
    pub(super) async fn changed(&mut self) {
        if self.news.changed().await.is_err() {
            // The log is gone, with the service.
            std::future::pending::<()>().await;
        }
    }

    fn snapshot(&mut self) -> Option<Event> {
        // Under the lock of the bus no event about the device is added: see `Context::update_snapshot`.
        let present = self.bus.borrow();
        let id = self.log.last();
        self.position = id.sequence;
        let text = self.filter.passes(EventKind::Snapshot).then(|| snapshot_text(&present, id))?;
        Some(Event { id, kind: EventKind::Snapshot, text: text.into() })
    }

    fn gap(&self, kind: EventKind, missed: Option<u64>) -> Event {
        let id = self.log.last();
        Event { id, kind, text: json(&GapEvent { kind, id, time: now(), missed }).into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::device::tests::{at, shop};
    use crate::service::events::publish_changes;
    use serde_json::{Value, json};

    struct World {
        log: EventLog,
        bus: watch::Sender<Snapshot>,
    }

    impl World {
        fn new(history: usize) -> Self {
            Self { log: EventLog::new(history), bus: watch::Sender::new(Snapshot::new(at(0))) }
        }

        fn follow(&self, query: &str) -> Feed {
            Feed::new(&self.log, &self.bus, StreamQuery::parse(Some(query), None).unwrap())
        }

        fn status(&self, word: &str) {
            self.bus.send_if_modified(|snapshot| {
                let before = snapshot.clone();
                let changed = snapshot.succeed(shop("a", "done", &[("main", word)]), None, at(1));
                publish_changes(&self.log, &before, snapshot);
                changed
            });
        }
    }

    fn all(feed: &mut Feed) -> Vec<Value> {
        std::iter::from_fn(|| feed.next_event())
            .map(|event| serde_json::from_str(&event.text).unwrap())
            .collect()
    }

    fn types(events: &[Value]) -> Vec<&str> {
        events.iter().map(|event| event["type"].as_str().unwrap()).collect()
    }

    #[test]
    fn the_state_first_then_every_change_once() {
        let world = World::new(16);
        world.status("Running");
        let mut feed = world.follow("");
        let events = all(&mut feed);
        assert_eq!(types(&events), ["snapshot"]);
        assert!(all(&mut feed).is_empty());
        for word in ["exited", "Starting", "Running"] {
            world.status(word);
        }
        let events = all(&mut feed);
        let told: Vec<&Value> = events.iter().map(|event| &event["status"]).collect();
        assert_eq!(told, ["exited", "Starting", "Running"]);
    }

    #[test]
    fn a_client_that_is_too_slow_gets_lagged_and_the_state() {
        let world = World::new(4);
        let mut feed = world.follow("");
        all(&mut feed);
        for number in 0..10 {
            world.status(&format!("s{number}"));
        }
        let events = all(&mut feed);
        assert_eq!(types(&events), ["lagged", "snapshot"]);
        assert_eq!(events[0]["missed"], 10);
        assert_eq!(events[1]["applications"]["shop"]["services"]["main"]["status"], "s9");
        world.status("Running");
        assert_eq!(types(&all(&mut feed)), ["service_status_changed"]);
    }

    #[test]
    fn a_client_resumes_where_it_was_or_starts_again() {
        let world = World::new(4);
        world.status("Running");
        let first = all(&mut world.follow(""));
        let id = first[0]["id"].as_str().unwrap();
        world.status("exited");
        let mut feed = world.follow(&format!("since={id}"));
        assert_eq!(types(&all(&mut feed)), ["service_status_changed"], "no snapshot is needed");
        let other = if id.starts_with('0') { id.replacen('0', "1", 1) } else { format!("0{}", &id[1..]) };
        for word in ["Running", "exited", "Running", "exited"] {
            world.status(word);
        }
        for since in [id, &other, &format!("{}99", &id[..13])] {
            let mut feed = world.follow(&format!("since={since}"));
            assert_eq!(types(&all(&mut feed)), ["reset", "snapshot"], "{since}");
        }
    }

    #[test]
    fn a_filter_keeps_the_kinds_it_names() {
        let world = World::new(4);
        world.status("Running");
        let mut feed = world.follow("kind=lease_granted");
        assert!(all(&mut feed).is_empty(), "not even the first state");
        world.log.publish(EventKind::LeaseGranted, &json!({ "name": "backup" }));
        world.status("exited");
        assert_eq!(types(&all(&mut feed)), ["lease_granted"]);
        for word in ["a", "b", "c", "d", "e"] {
            world.status(word);
        }
        assert_eq!(types(&all(&mut feed)), ["lagged"], "what was missed may have been of the kind");
    }

    #[tokio::test]
    async fn a_new_event_wakes_and_an_old_one_does_not() {
        let world = World::new(4);
        world.status("Running");
        let mut feed = world.follow("");
        all(&mut feed);
        let idle = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(idle, feed.changed()).await.is_err());
        world.status("exited");
        feed.changed().await;
        assert_eq!(all(&mut feed).len(), 1);
    }
}
