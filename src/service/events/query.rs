//! What a client asks of the stream: `?since=<id>&kind=<kind>,<kind>`.

use super::id::EventId;
use super::kind::EventKind;

/// Longest query, in bytes: the names of all kinds fit.
const LONGEST: usize = 1024;

/// Which events a client gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Filter(u64);

// One bit for each kind.
const _: () = assert!(EventKind::ALL.len() <= 64);

impl Filter {
    /// All events.
    pub(super) const ALL: Self = Self(u64::MAX);

    fn of(kind: EventKind) -> u64 {
        1 << (kind as u32)
    }

    /// Returns whether the client gets events of this kind.
    pub(super) fn passes(self, kind: EventKind) -> bool {
        kind.is_of_the_stream() || self.0 & Self::of(kind) != 0
    }
}

/// What a client asks of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamQuery {
    /// The last event that the client has.
    pub(super) since: Option<EventId>,
    pub(super) filter: Filter,
}

impl StreamQuery {
    /// Parses a query. `last_event_id` is the header of a client that connects again by itself: it is newer than
    /// `since`, which stays the same in the address.
    ///
    /// # Errors
    /// A sentence that names the parameter.
    pub(crate) fn parse(query: Option<&str>, last_event_id: Option<&str>) -> Result<Self, String> {
        let query = query.unwrap_or_default();
        if query.len() > LONGEST {
            return Err(format!("the query is longer than {LONGEST} bytes"));
        }
        let (mut since, mut filter) = (None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let is_new = match name {
                "since" => since.replace(event_id("since", value)?).is_none(),
                "kind" => filter.replace(kinds(value)?).is_none(),
                _ => {
                    let name = name.escape_debug();
                    return Err(format!("unknown parameter \"{name}\": there are `since` and `kind`"));
                }
            };
            if !is_new {
                return Err(format!("`{name}` is given twice"));
            }
        }
        if let Some(id) = last_event_id {
            since = Some(event_id("Last-Event-ID", id)?);
        }
        Ok(Self { since, filter: filter.unwrap_or(Filter::ALL) })
    }
}

fn event_id(name: &str, value: &str) -> Result<EventId, String> {
    value.parse().map_err(|why| format!("`{name}` is \"{}\": {why}", value.escape_debug()))
}

fn kinds(value: &str) -> Result<Filter, String> {
    let mut bits = 0;
    // A comma may come percent-encoded. No kind has another character that needs it.
    for word in value.replace("%2C", ",").replace("%2c", ",").split(',') {
        let Some(kind) = EventKind::parse(word) else {
            let all: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
            return Err(format!("unknown kind \"{}\": there are {}", word.escape_debug(), all.join(", ")));
        };
        bits |= Filter::of(kind);
    }
    Ok(Filter(bits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::events::id::Epoch;

    #[test]
    fn queries() {
        let parse = |query| StreamQuery::parse(Some(query), None);
        assert_eq!(StreamQuery::parse(None, None), Ok(StreamQuery { since: None, filter: Filter::ALL }));
        assert_eq!(parse(""), StreamQuery::parse(None, None));
        let query = parse("since=000000000001-7&kind=lease_lost,action_finished").unwrap();
        assert_eq!(query.since, Some(EventId { epoch: Epoch::of(1), sequence: 7 }));
        assert!(query.filter.passes(EventKind::LeaseLost) && query.filter.passes(EventKind::ActionFinished));
        assert!(query.filter.passes(EventKind::Lagged) && query.filter.passes(EventKind::Reset));
        assert!(!query.filter.passes(EventKind::Snapshot) && !query.filter.passes(EventKind::LeaseGranted));
        assert!(parse("kind=lease_lost%2Csnapshot").unwrap().filter.passes(EventKind::Snapshot));
        let again = StreamQuery::parse(Some("since=000000000001-7"), Some("000000000001-9")).unwrap();
        assert_eq!(again.since.unwrap().sequence, 9, "the header is newer");
    }

    #[test]
    fn faults_name_the_parameter() {
        for (query, words) in [
            ("kind=lease", "unknown kind \"lease\": there are snapshot, "),
            ("kind=", "unknown kind \"\""),
            ("since=7", "`since` is \"7\": it has to be the id of an event"),
            ("after=1", "unknown parameter \"after\""),
            ("token=abc", "unknown parameter \"token\""),
            ("kind=snapshot&kind=lagged", "`kind` is given twice"),
        ] {
            let fault = StreamQuery::parse(Some(query), None).unwrap_err();
            assert!(fault.starts_with(words), "{fault}");
        }
        assert!(StreamQuery::parse(Some(&"&".repeat(2000)), None).is_err());
        assert!(StreamQuery::parse(None, Some("nonsense")).unwrap_err().starts_with("`Last-Event-ID`"));
    }
}
