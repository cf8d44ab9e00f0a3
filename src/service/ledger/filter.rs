//! Which lines a client asks for: `?limit=20&since=<time>&action=reboot&actor=main`.

use jiff::Timestamp;

use super::entry::Entry;
use crate::service::clock::ClockReading;

/// Lines in an answer, if the client names no number.
const LIMIT: usize = 100;
/// Most lines in an answer.
const MOST: usize = 1000;
/// Longest query, in bytes.
const LONGEST: usize = 1024;

/// Which lines a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LedgerFilter {
    pub(crate) limit: usize,
    pub(crate) since: Option<Timestamp>,
    pub(crate) action: Option<String>,
    pub(crate) actor: Option<String>,
}

impl Default for LedgerFilter {
    fn default() -> Self {
        Self { limit: LIMIT, since: None, action: None, actor: None }
    }
}

impl LedgerFilter {
    /// Parses the query of a request.
    ///
    /// # Errors
    /// A sentence that names the parameter.
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, String> {
        let query = query.unwrap_or_default();
        if query.len() > LONGEST {
            return Err(format!("the query is longer than {LONGEST} bytes"));
        }
        let mut filter = Self::default();
        let mut seen = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if seen.contains(&name) {
                return Err(format!("`{}` is given twice", name.escape_debug()));
            }
            seen.push(name);
            let value = percent_encoding::percent_decode_str(value).decode_utf8();
            let value = value.map_err(|_| format!("`{}` is not UTF-8", name.escape_debug()))?;
            let fault = |why: &str| format!("`{name}` is \"{}\": it has to be {why}", value.escape_debug());
            match name {
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=MOST).contains(limit));
                    filter.limit = limit.ok_or_else(|| fault("a number from 1 to 1000"))?;
                }
                "since" => {
                    let since = value.parse().map_err(|_| fault("a time, e.g. 2026-11-29T03:00:00Z"))?;
                    filter.since = Some(since);
                }
                "action" | "actor" => {
                    let word = (!value.is_empty()).then(|| value.clone().into_owned());
                    let word = word.ok_or_else(|| fault("a word"))?;
                    *(if name == "action" { &mut filter.action } else { &mut filter.actor }) = Some(word);
                }
                _ => {
                    let name = name.escape_debug();
                    return Err(format!(
                        "unknown parameter \"{name}\": there are `limit`, `since`, `action` and `actor`"
                    ));
                }
            }
        }
        Ok(filter)
    }

    /// Returns whether the client asks for this line.
    pub(super) fn passes(&self, entry: &Entry, now: &ClockReading) -> bool {
        self.action.as_ref().is_none_or(|action| *action == entry.action)
            && self.actor.as_ref().is_none_or(|actor| *actor == entry.actor)
            && self.since.is_none_or(|since| entry.corrected_time(now).0 >= since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::ledger::tests::reading;

    #[test]
    fn queries() {
        assert_eq!(LedgerFilter::parse(None), Ok(LedgerFilter::default()));
        let filter =
            LedgerFilter::parse(Some("limit=5&since=2026-11-29T03%3A00:00Z&action=reboot&actor=main"));
        let filter = filter.unwrap();
        assert_eq!((filter.limit, filter.action.as_deref()), (5, Some("reboot")));
        let entry = |time: &str, actor: &str, action: &str| {
            Entry::new(1, &reading(time, "a", 1), actor.into(), action.into())
        };
        let now = reading("2026-11-29T04:00:00Z", "b", 1);
        assert!(filter.passes(&entry("2026-11-29T03:00:00Z", "main", "reboot"), &now));
        for (time, actor, action) in [
            ("2026-11-29T02:59:59Z", "main", "reboot"),
            ("2026-11-29T03:00:00Z", "main2", "reboot"),
            ("2026-11-29T03:00:00Z", "main", "restart"),
        ] {
            assert!(!filter.passes(&entry(time, actor, action), &now), "{time} {actor} {action}");
        }
    }

    #[test]
    fn faults_name_the_parameter() {
        for (query, words) in [
            ("limit=0", "`limit` is \"0\": it has to be a number from 1 to 1000"),
            ("limit=1001", "`limit`"),
            ("limit=1&limit=2", "`limit` is given twice"),
            ("since=yesterday", "`since` is \"yesterday\": it has to be a time"),
            ("action=", "`action` is \"\""),
            ("actor=%ff", "`actor` is not UTF-8"),
            ("token=abc", "unknown parameter \"token\""),
        ] {
            let fault = LedgerFilter::parse(Some(query)).unwrap_err();
            assert!(fault.starts_with(words), "{fault}");
        }
    }
}
