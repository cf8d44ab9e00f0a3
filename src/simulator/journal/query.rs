//! Queries of the journal: the `journalctl` arguments of a request, and what they select.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::maps::collect_unsorted;

use super::super::js_values;
use super::format::Format;
use super::{Entry, moment};

/// Default number of lines at the start of `--follow`.
const FOLLOWED: usize = 10;
/// Suffixes of unit names; other names get `.service`.
const SUFFIXES: [&str; 11] = [
    ".service",
    ".socket",
    ".device",
    ".mount",
    ".automount",
    ".swap",
    ".target",
    ".path",
    ".timer",
    ".slice",
    ".scope",
];

/// The arguments of one `journalctl` run.
#[derive(Debug)]
pub(in super::super) struct Query {
    pub(super) follow: bool,
    pub(super) format: Format,
    count: Option<f64>,
    unit: Option<String>,
    tag: Option<String>,
    since: Option<String>,
    until: Option<String>,
}

impl Query {
    /// Reads a request body. Values that are not text are converted, as the server does.
    ///
    /// `Err`: `journalctl` can't be started, because an argument contains a zero byte. `Ok(None)`: it does not know
    /// the format; its message goes nowhere.
    pub(in super::super) fn parse(body: &Value) -> Result<Option<Self>, String> {
        let text = |name: &str| match body.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.contains('\0') => {
                Err(format!("The argument '{name}' must be a string without null bytes"))
            }
            Some(value) => Ok(Some(js_values::shown(value))),
        };
        let field = |name: &str| body.get(name).unwrap_or(&Value::Null);
        let format = text("format")?;
        let (unit, tag) = (text("unit")?, text("containerId")?);
        let (since, until) = (text("since")?, text("until")?);
        let Some(format) = Format::parse(format.as_deref().unwrap_or("short")) else { return Ok(None) };
        let count =
            js_values::integer(field("count")).map(js_values::Integer::number).filter(|count| *count > 0.0);
        let follow = js_values::truthy(field("follow"));
        Ok(Some(Self { follow, format, count, unit, tag, since, until }))
    }

    /// Returns the selection from a journal with these units; `None` if `journalctl` fails for an argument.
    pub(super) fn select<'a>(&self, units: impl Iterator<Item = &'a str>) -> Option<Selection> {
        let now = jiff::Timestamp::now();
        let time = |text: &Option<String>| match text {
            Some(text) => moment::parse(text, now).map(Some),
            None => Some(None),
        };
        let (since, until) = (time(&self.since)?, time(&self.until)?);
        let unasked = if self.follow && since.is_none() { FOLLOWED } else { usize::MAX };
        let count = match self.count {
            // `journalctl` rejects a count beyond the range of `int`.
            Some(count) if count > f64::from(i32::MAX) => return None,
            Some(count) => js_values::Integer::from(count).id().try_into().ok()?,
            None => unasked,
        };
        let units = match &self.unit {
            Some(unit) => Some(named(unit, units)?),
            None => None,
        };
        Some(Selection { count, units, tag: self.tag.clone(), since, until })
    }
}

/// Returns the units of a name or pattern; `None` if the name is invalid or no unit matches the pattern.
fn named<'a>(unit: &str, known: impl Iterator<Item = &'a str>) -> Option<BTreeSet<String>> {
    if unit.is_empty() {
        return None;
    }
    let complete = |unit: &str| {
        let has_suffix = SUFFIXES.iter().any(|suffix| unit.ends_with(suffix));
        if has_suffix { unit.to_owned() } else { format!("{unit}.service") }
    };
    if !unit.contains(['*', '?', '[']) {
        return Some(collect_unsorted([complete(unit)]));
    }
    let pattern = if unit.ends_with('*') { unit.to_owned() } else { complete(unit) };
    let units: BTreeSet<String> =
        collect_unsorted(known.filter(|unit| fits(&pattern, unit)).map(str::to_owned));
    (!units.is_empty()).then_some(units)
}

/// Returns whether a name matches a pattern with `*` and `?`.
fn fits(pattern: &str, name: &str) -> bool {
    let mut rest = name.chars();
    let mut wanted = pattern.chars();
    match wanted.next() {
        None => name.is_empty(),
        Some('*') => {
            let after = wanted.as_str();
            fits(after, name) || (rest.next().is_some() && fits(pattern, rest.as_str()))
        }
        Some('?') => rest.next().is_some() && fits(wanted.as_str(), rest.as_str()),
        Some(letter) => rest.next() == Some(letter) && fits(wanted.as_str(), rest.as_str()),
    }
}

/// The selection of a query.
#[derive(Debug)]
pub(super) struct Selection {
    pub(super) count: usize,
    units: Option<BTreeSet<String>>,
    tag: Option<String>,
    since: Option<jiff::Timestamp>,
    until: Option<jiff::Timestamp>,
}

impl Selection {
    pub(super) fn has_beginning(&self) -> bool {
        self.since.is_some()
    }

    pub(super) fn includes(&self, at: jiff::Timestamp) -> bool {
        self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at <= until)
    }

    /// Returns whether an entry has the requested unit and tag.
    pub(super) fn fits(&self, entry: &Entry) -> bool {
        self.units.as_ref().is_none_or(|units| units.contains(entry.source.unit))
            && self.tag.as_ref().is_none_or(|tag| *tag == entry.source.identifier)
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns_fit() {
        for (pattern, name, expected) in [
            ("dem*", "demo.service", true),
            ("*", "", true),
            ("d?mo.service", "demo.service", true),
            ("*.service", "demo.service", true),
            ("demo", "demo.service", false),
            ("x*", "demo.service", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }
}
