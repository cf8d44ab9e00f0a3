//! `balena-agent device logs`: prints the host's journal, and follows it across restarts of the supervisor and of a
//! service.

mod followed;

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio::time::Instant;

use crate::api::device::Local;
use crate::error::{Error, Result};
use crate::supervisor::{JournalLines, JournalQuery, check_service_name};

use super::Context;
use super::output::{self, Output};

use followed::FollowedService;

/// Number of last entries requested again after an interruption.
const AGAIN: u32 = 1000;
/// Number of lines remembered and held back. An entry may have several lines.
const REMEMBERED: usize = 8192;
/// Existing entries arrive without a pause of this length.
const QUIET: Duration = Duration::from_secs(1);
/// journalctl ends within this time if its arguments are invalid.
const AT_ONCE: Duration = Duration::from_secs(2);
/// First and longest pause between two attempts to open the journal again; it doubles after each.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long to retry.
const PATIENCE: Duration = Duration::from_secs(3600);

#[derive(Debug, Args)]
pub(super) struct Logs {
    /// Follow new lines, also across a restart of the supervisor
    #[arg(short, long)]
    follow: bool,
    /// Print only the last COUNT lines
    #[arg(short = 'n', long)]
    count: Option<u32>,
    /// Print only the entries of this systemd unit
    #[arg(long)]
    unit: Option<String>,
    /// Print only the entries of this service's current container; with --follow, also of the containers that replace it
    #[arg(long, conflicts_with = "unit")]
    service: Option<String>,
    /// Output format of journalctl: short, json, cat …
    #[arg(long)]
    format: Option<String>,
    /// Start at this time, in journalctl's syntax: "2026-11-23 12:00:00", -1h
    #[arg(long, allow_hyphen_values = true)]
    since: Option<String>,
    /// Stop at this time
    #[arg(long, allow_hyphen_values = true)]
    until: Option<String>,
}

/// Why a stream ended.
enum End {
    /// journalctl or the supervisor ended; `None` if the response was complete.
    Stream(Option<Error>),
    /// The service's container was replaced.
    Moved,
}

impl Logs {
    pub(super) async fn run(self, context: &Context) -> Result<Output> {
        let mut followed = match self.service.as_deref() {
            Some(service) => {
                check_service_name("--service", service)?;
                Some(FollowedService::new(context, service).await?)
            }
            None => None,
        };
        let mut printed = LineDedup::default();
        let mut pause = FIRST_PAUSE;
        let mut heard = Instant::now();
        let mut lines = match self.open(context, followed.as_ref(), &mut printed).await {
            // The supervisor sends no response head before the first line.
            Err(error) if self.follow && context.timeout.is_none() && error.is_timeout() => {
                self.open_again(context, followed.as_ref(), &mut printed, &mut pause, heard).await?
            }
            opened => opened?,
        };
        loop {
            let (opened, told) = (Instant::now(), printed.count);
            match self.print(context, &mut lines, &mut printed, followed.as_mut()).await? {
                End::Moved => {
                    (pause, heard) = (FIRST_PAUSE, Instant::now());
                    printed.begin_anew();
                    let service = followed.as_ref().map_or("", FollowedService::service);
                    output::remark(&format!("service {service} has a new container"));
                }
                End::Stream(error) => {
                    let nothing = printed.count == 0 && opened.elapsed() < AT_ONCE && error.is_none();
                    if !self.follow || nothing {
                        return error.map_or_else(|| Ok(end(&printed)), Err);
                    }
                    if printed.count > told || opened.elapsed() > LONGEST_PAUSE {
                        (pause, heard) = (FIRST_PAUSE, Instant::now());
                    }
                    let ended = || "the supervisor ended the stream".to_owned();
                    let why = error.map_or_else(ended, |error| error.summary().to_string());
                    output::remark(&format!("{why}; opening it again"));
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    if let Some(followed) = &mut followed
                        && followed.has_moved(context).await
                    {
                        printed.begin_anew();
                    }
                }
            }
            lines = self.open_again(context, followed.as_ref(), &mut printed, &mut pause, heard).await?;
        }
    }

    /// Opens the journal, with retries.
    async fn open_again(
        &self,
        context: &Context,
        followed: Option<&FollowedService>,
        printed: &mut LineDedup,
        pause: &mut Duration,
        heard: Instant,
    ) -> Result<JournalLines> {
        loop {
            match self.open(context, followed, printed).await {
                Err(error) if is_passing(&error) && heard.elapsed() < PATIENCE => {
                    tracing::debug!(%error, "can't open the journal, retrying");
                }
                opened => return opened,
            }
            tokio::time::sleep(*pause).await;
            *pause = (*pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn open(
        &self,
        context: &Context,
        followed: Option<&FollowedService>,
        printed: &mut LineDedup,
    ) -> Result<JournalLines> {
        let mut query = JournalQuery::new();
        if self.follow {
            query = query.follow();
        }
        let again = (printed.begin_again() || printed.anew).then_some(AGAIN);
        if let Some(count) = again.max(self.count) {
            query = query.count(count);
        }
        if let Some(unit) = &self.unit {
            query = query.unit(unit);
        }
        if let Some(followed) = followed {
            query = query.container(followed.container());
        }
        if let Some(format) = &self.format {
            query = query.format(format);
        }
        if let Some(since) = &self.since {
            query = query.since(since);
        }
        if let Some(until) = &self.until {
            query = query.until(until);
        }
        context.within("POST /v2/journal-logs", context.balena.device().journal_logs(Local, query)).await
    }

    async fn print(
        &self,
        context: &Context,
        lines: &mut JournalLines,
        printed: &mut LineDedup,
        followed: Option<&mut FollowedService>,
    ) -> Result<End> {
        let mut followed = followed.filter(|_| self.follow);
        let show = |line: String| {
            if context.printer.is_json() {
                output::json_line(&json!({ "line": line }).to_string())
            } else {
                output::line(&line)
            }
        };
        loop {
            let next = match &followed {
                _ if printed.holds_back() => tokio::time::timeout(QUIET, lines.next()).await,
                Some(followed) => tokio::time::timeout_at(followed.due(), lines.next()).await,
                None => Ok(lines.next().await),
            };
            match (&next, &mut followed) {
                (Ok(_), Some(followed)) => followed.record_line(),
                (Err(_), Some(followed)) if !printed.holds_back() => {
                    if followed.has_moved(context).await {
                        return Ok(End::Moved);
                    }
                    continue;
                }
                _ => {}
            }
            let ready = match next {
                Ok(Some(Ok(line))) => printed.new_line(line).into_iter().collect(),
                Ok(Some(Err(error))) if !self.follow || !is_passing(&error) => return Err(error),
                Ok(Some(Err(error))) => return Ok(End::Stream(Some(error))),
                Ok(None) if printed.holds_back() => printed.gap(),
                Ok(None) => return Ok(End::Stream(None)),
                Err(_) => printed.gap(),
            };
            for line in ready {
                show(line)?;
            }
        }
    }
}

fn end(printed: &LineDedup) -> Output {
    if printed.count == 0 {
        // The supervisor answers 200 with an empty body if journalctl fails.
        output::remark(
            "no lines; the supervisor gives the same response for a unit, format or time that does not exist",
        );
    }
    Output::silent()
}

/// Returns whether a further attempt may succeed.
fn is_passing(error: &Error) -> bool {
    error.is_unreachable() || error.is_timeout() || error.is_server()
}

/// Lines already printed, so that after an interruption no line is lost or repeated.
#[derive(Default)]
struct LineDedup {
    count: u64,
    last: VecDeque<u64>,
    again: Option<Replay>,
    /// Whether no line of the current journal was printed before it was opened.
    anew: bool,
    keys: RandomState,
}

/// State while the journal repeats its last entries.
struct Replay {
    /// How often each printed line may be repeated.
    known: HashMap<u64, u32>,
    /// Lines before the first known one: older than the printed ones, or new if no known line follows.
    held: Option<VecDeque<String>>,
}

impl LineDedup {
    /// Starts comparing lines. Returns whether the journal has to repeat its last entries.
    fn begin_again(&mut self) -> bool {
        if self.last.is_empty() {
            return false;
        }
        let mut known = HashMap::new();
        for line in &self.last {
            *known.entry(*line).or_default() += 1;
        }
        self.again = Some(Replay { known, held: Some(VecDeque::new()) });
        true
    }

    /// Starts with the journal of another container, of which no line was printed.
    fn begin_anew(&mut self) {
        self.last.clear();
        self.again = None;
        self.anew = true;
    }

    fn holds_back(&self) -> bool {
        self.again.as_ref().and_then(|again| again.held.as_ref()).is_some_and(|held| !held.is_empty())
    }

    /// Returns the line if it is new.
    fn new_line(&mut self, line: String) -> Option<String> {
        let mark = self.keys.hash_one(&line);
        if let Some(again) = &mut self.again {
            if let Some(left) = again.known.get_mut(&mark).filter(|left| **left > 0) {
                *left -= 1;
                again.held = None;
                if *left == 0 && self.last.back() == Some(&mark) {
                    self.again = None;
                }
                return None;
            }
            if let Some(held) = &mut again.held {
                if held.len() == REMEMBERED {
                    held.pop_front();
                }
                held.push_back(line);
                return None;
            }
        }
        self.remember(mark);
        Some(line)
    }

    /// Returns the held lines if no printed line was repeated: all are new, and lines before them may be missing.
    fn gap(&mut self) -> VecDeque<String> {
        let held = self.again.take().and_then(|again| again.held).unwrap_or_default();
        for line in &held {
            self.remember(self.keys.hash_one(line));
        }
        output::remark("lines may be missing here: the journal no longer has the last printed line");
        held
    }

    fn remember(&mut self, mark: u64) {
        self.count += 1;
        if self.last.len() == REMEMBERED {
            self.last.pop_front();
        }
        self.last.push_back(mark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(printed: &mut LineDedup, lines: &[&str]) -> Vec<String> {
        lines.iter().filter_map(|line| printed.new_line((*line).to_owned())).collect()
    }

    #[test]
    fn after_a_break_only_what_is_new_is_printed() {
        // Printed lines, repeated lines, and the new ones among them.
        let table: [(&[&str], &[&str], &[&str]); 6] = [
            (&["a", "b"], &["a", "b", "c"], &["c"]),
            (&["b", "c"], &["old", "a", "b", "c", "d"], &["d"]),
            (&["tick", "tick"], &["tick", "tick", "tick"], &["tick"]),
            (&["a", "b", "c"], &["b", "c", "d", "a"], &["d", "a"]),
            (&["a", "b"], &["b"], &[]),
            (&[], &["a", "a"], &["a", "a"]),
        ];
        for (before, again, new) in table {
            let mut printed = LineDedup::default();
            assert_eq!(told(&mut printed, before), before);
            assert_eq!(printed.begin_again(), !before.is_empty());
            assert_eq!(told(&mut printed, again), new, "{before:?} {again:?}");
            assert!(!printed.holds_back());
        }
    }

    #[test]
    fn a_journal_that_has_moved_on_is_printed_as_it_is() {
        let mut printed = LineDedup::default();
        told(&mut printed, &["a", "b"]);
        printed.begin_again();
        assert!(told(&mut printed, &["x", "y"]).is_empty() && printed.holds_back());
        assert_eq!(printed.gap(), ["x", "y"]);
        assert_eq!(told(&mut printed, &["a"]), ["a"], "it is over");
        assert_eq!(printed.count, 5);
    }
}
