//! `balena-agent why`: what happened to this device, from the ledger of a running service.

use std::fmt::Write as _;

use clap::Args;
use jiff::{SignedDuration, Timestamp};

use crate::error::Result;
use crate::service::{LedgerEntry, LedgerQuery};

use super::Context;
use super::output::{Output, plain};
use super::service::Listen;

#[derive(Debug, Args)]
pub(super) struct Why {
    #[command(flatten)]
    listen: Listen,
    /// Show at most COUNT entries
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20)]
    limit: u32,
    /// Show entries from this time on, e.g. 2026-11-29T03:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<Timestamp>,
    /// Show entries of this action: reboot, restart, stop, start, update, crash …
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Show entries of this actor: the name of a client, `agent`, or `not-through-agent`
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
}

fn parse_time(text: &str) -> std::result::Result<Timestamp, &'static str> {
    text.parse().map_err(|_| "must be a time with a zone, e.g. 2026-11-29T03:00:00Z")
}

impl Why {
    pub(super) async fn run(&self, context: &Context) -> Result<Output> {
        let mut query = LedgerQuery::default().limit(self.limit);
        if let Some(since) = self.since {
            query = query.since(since);
        }
        if let Some(action) = &self.action {
            query = query.action(action);
        }
        if let Some(actor) = &self.actor {
            query = query.actor(actor);
        }
        let client = self.listen.client()?;
        let entries = context.within("GET /agent/v1/ledger", client.ledger(&query)).await?;
        let output = Output::data(&entries)?;
        if entries.is_empty() {
            return Ok(output.note_only().note("the ledger has no such entry"));
        }
        let now = Timestamp::now();
        let texts: Vec<String> = entries.iter().map(|entry| timeline(entry, now)).collect();
        Ok(output.text(texts.join("\n")))
    }
}

/// Returns an entry as lines for people: when, what, who; then why; then what was seen.
fn timeline(entry: &LedgerEntry, now: Timestamp) -> String {
    let when = if entry.time_trusted {
        format!("{:.0}  {}", entry.time, ago(now.duration_since(entry.time)))
    } else {
        "at an unknown time: the clock was not set".to_owned()
    };
    let who = if entry.through_agent {
        match &*entry.actor {
            "agent" => "by the agent".to_owned(),
            actor => format!("by {}", plain(actor)),
        }
    } else {
        "not through the agent".into()
    };
    let is_own = matches!(&*entry.action, "start" | "stop" | "crash");
    let target = match entry.target.as_deref() {
        // Its own process.
        None | Some("agent") if is_own => " of the agent".to_owned(),
        Some(target) => format!(" {}", plain(target)),
        None => String::new(),
    };
    let forced = if entry.forced { ", forced" } else { "" };
    let mut text =
        format!("{when}\n  {}{target}: {}, {who}{forced}\n", plain(&entry.action), plain(&entry.result));
    if let Some(reason) = &entry.reason {
        // Writing to a string can't fail.
        let _ = writeln!(text, "  reason: {}", plain(reason));
    }
    if let Some(detail) = &entry.detail {
        let _ = writeln!(text, "  {}", plain(detail));
    }
    for evidence in &entry.evidence {
        let _ = writeln!(text, "  - {}", plain(&evidence.text));
    }
    text
}

/// Returns an age in words, in one unit.
fn ago(age: SignedDuration) -> String {
    let seconds = age.as_secs();
    match seconds {
        ..0 => "in the future".to_owned(),
        0..120 => format!("{seconds} s ago"),
        120..7200 => format!("{} min ago", seconds / 60),
        7200..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_entry_as_lines() {
        let entry: LedgerEntry = serde_json::from_value(json!({
            "id": 7, "time": "2026-11-29T03:00:12.345Z", "time_trusted": true, "actor": "not-through-agent",
            "through_agent": false, "action": "reboot", "result": "done",
            "detail": "the device went down without a warning\u{1b}[2J",
            "evidence": [{ "fact": "sigterm", "text": "no SIGTERM was seen" }],
        }))
        .unwrap();
        let now: Timestamp = "2026-11-29T10:00:12Z".parse().unwrap();
        assert_eq!(
            timeline(&entry, now),
            "2026-11-29T03:00:12Z  6 h ago\n  reboot: done, not through the agent\n  \
             the device went down without a warning\\u{1b}[2J\n  - no SIGTERM was seen\n"
        );
        let entry = LedgerEntry {
            time_trusted: false,
            through_agent: true,
            actor: "backup".into(),
            target: Some("main".into()),
            reason: Some("nightly".into()),
            forced: true,
            detail: None,
            evidence: Vec::new(),
            ..entry
        };
        assert_eq!(
            timeline(&entry, now),
            "at an unknown time: the clock was not set\n  reboot main: done, by backup, forced\n  reason: nightly\n"
        );
    }

    #[test]
    fn ages() {
        for (seconds, words) in [
            (5, "5 s ago"),
            (119, "119 s ago"),
            (125, "2 min ago"),
            (7300, "2 h ago"),
            (200_000, "2 days ago"),
            (-5, "in the future"),
        ] {
            assert_eq!(ago(SignedDuration::from_secs(seconds)), words);
        }
    }
}
