//! Every recorded call of the Python SDK: the same requests, the same outcome.
//!
//! `WIRE_CASES=<folder>` plays another folder of the same format, `WIRE_ONLY=<text>` only the cases with the
//! text in their id (`^` before it: at its beginning, `$` behind it: at its end).
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

use std::collections::BTreeMap;
use std::env;
use std::io::{self, Write as _};
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;

use wire::cases::{self, Case};
use wire::replay::{Verdict, play};
use wire::rulebook::Rulebook;

#[path = "support/canonical.rs"]
mod canonical;
#[path = "support/rows.rs"]
mod rows;
#[path = "support/wire/mod.rs"]
mod wire;

#[derive(Debug, Default)]
struct Tally {
    passed: usize,
    failed: usize,
    later: usize,
    dropped: usize,
}

fn chosen(case: &Case) -> bool {
    let only = env::var("WIRE_ONLY").unwrap_or_default();
    let (start, rest) = only.strip_prefix('^').map_or((false, &*only), |rest| (true, rest));
    let (end, text) = rest.strip_suffix('$').map_or((false, rest), |rest| (true, rest));
    case.id.contains(text) && (!start || case.id.starts_with(text)) && (!end || case.id.ends_with(text))
}

/// Plays a case; a panic in it is its own.
fn verdict(case: &Case, book: &Rulebook) -> Verdict {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let played = panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(play(case, book))));
    played.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Verdict::Failed(text.unwrap_or_else(|| "it panicked".to_owned()))
    })
}

#[test]
fn every_recorded_call_is_reproduced() {
    let folder = env::var_os("WIRE_CASES").map_or_else(cases::home, PathBuf::from);
    let all = cases::read(&folder);
    assert!(!all.is_empty(), "no cases in {}", folder.display());
    let book = Rulebook::read();
    let mut areas: BTreeMap<&str, Tally> = BTreeMap::new();
    let mut without: BTreeMap<&str, usize> = BTreeMap::new();
    let mut later: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    // Not through `println!`, which the test runner keeps to itself when all goes well.
    let mut out = io::stdout().lock();
    for case in all.iter().filter(|case| chosen(case)) {
        let tally = areas.entry(&case.area).or_default();
        match verdict(case, &book) {
            Verdict::Passed => tally.passed += 1,
            Verdict::Dropped => tally.dropped += 1,
            Verdict::Later(reason) => {
                tally.later += 1;
                *later.entry((&case.function, reason)).or_default() += 1;
            }
            Verdict::NoCall => {
                tally.failed += 1;
                *without.entry(&case.function).or_default() += 1;
            }
            Verdict::Failed(why) => {
                tally.failed += 1;
                writeln!(out, "{} {} {:?}\n    {why}", case.area, case.id, case.quirks).unwrap();
            }
        }
    }
    for ((function, reason), count) in &later {
        writeln!(out, "later: {function} ({count} cases): {reason}").unwrap();
    }
    for (function, count) in &without {
        writeln!(out, "no call yet: {function} ({count} cases)").unwrap();
    }
    for (area, tally) in &areas {
        let Tally { passed, failed, later, dropped } = tally;
        writeln!(out, "{area}: {passed} passed, {failed} failed, {later} later, {dropped} dropped").unwrap();
    }
    let passed: usize = areas.values().map(|tally| tally.passed).sum();
    let failed: usize = areas.values().map(|tally| tally.failed).sum();
    writeln!(out, "{passed} passed, {failed} failed").unwrap();
    drop(out);
    assert_eq!(failed, 0, "recorded calls that are not reproduced");
}
