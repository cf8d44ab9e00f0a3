//! Lines of the host's journal around a restart: what supervisor, engine and kernel said. Evidence only: without it
//! the ledger says the same, with less behind it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::timeout;

use super::entry::Evidence;
use super::run::RunRecord;
use super::text::Secrets;
use crate::service::clock::ClockReading;
use crate::supervisor::{JournalQuery, Supervisor};

/// Deadline of the whole read.
const DEADLINE: Duration = Duration::from_secs(15);
/// Most lines that are read: the last ones before the restart.
const LINES: u32 = 400;
/// Longest line that is looked at, in bytes.
const LINE_LIMIT: usize = 4096;
/// Most lines that are kept.
const KEPT: usize = 6;
/// How long before a restart the lines may be of it.
const BEFORE: SignedDuration = SignedDuration::from_mins(10);

/// Who writes such lines. Containers of services write under their id, so their lines are not looked at.
const WRITERS: [&str; 8] = [
    "kernel",
    "systemd",
    "systemd-logind",
    "systemd-shutdown",
    "balenad",
    "balena-engine-daemon",
    "balena-supervisor",
    "resin-supervisor",
];

/// What such lines say, in lower case.
const WORDS: [&str; 17] = [
    "out of memory",
    "oom-kill",
    "killed process",
    "watchdog",
    "kernel panic",
    "under-voltage",
    "reboot",
    "shutting down",
    "shut down",
    "power off",
    "killing service",
    "killed service",
    "restarting service",
    "service exited",
    "purging",
    "handing over",
    "updates are locked",
];

/// Reads the lines between the last run and this one. Empty if the clock is wrong, or the supervisor does not tell.
pub(super) async fn read(
    supervisor: &Supervisor,
    previous: &RunRecord,
    now: &ClockReading,
    secrets: &Secrets,
) -> Vec<Evidence> {
    let Some((since, until)) = window(previous, now) else { return Vec::new() };
    let query = JournalQuery::new()
        .count(LINES)
        .format("short-iso")
        .since(in_journalctl_words(since))
        .until(in_journalctl_words(until));
    let mut picked = Picked::default();
    let _ = timeout(DEADLINE, async {
        let Ok(mut lines) = supervisor.journal_logs(query).await else { return };
        let mut left = LINES;
        while let Some(Ok(line)) = lines.next().await {
            picked.look(&line);
            left -= 1;
            if left == 0 {
                break;
            }
        }
    })
    .await;
    picked.evidence(previous.boot_id != now.boot_id, secrets)
}

/// Returns the time in which the restart happened: up to this boot, or up to now. `None` if the clock is wrong.
fn window(previous: &RunRecord, now: &ClockReading) -> Option<(Timestamp, Timestamp)> {
    if !now.trusted {
        return None;
    }
    let until = match &previous.boot_id {
        boot if *boot == now.boot_id => now.wall,
        _ => now.wall.checked_sub(now.boot).ok()?,
    };
    Some((until.checked_sub(BEFORE).ok()?, until))
}

fn in_journalctl_words(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The lines that count.
#[derive(Debug, Default)]
struct Picked {
    kept: std::collections::VecDeque<String>,
    /// Time of the last line of all.
    last: Option<String>,
}

impl Picked {
    /// Looks at a line `<time> <host> <writer>[<pid>]: <text>`.
    fn look(&mut self, line: &str) {
        if line.len() > LINE_LIMIT {
            return;
        }
        let mut fields = line.splitn(3, ' ');
        let (Some(time), Some(_), Some(rest)) = (fields.next(), fields.next(), fields.next()) else { return };
        let Some((writer, text)) = rest.split_once(": ") else { return };
        self.last = Some(time.to_owned());
        let writer = writer.split('[').next().unwrap_or_default();
        let text = text.to_ascii_lowercase();
        if WRITERS.contains(&writer) && WORDS.iter().any(|word| text.contains(word)) {
            if self.kept.len() == KEPT {
                self.kept.pop_front();
            }
            self.kept.push_back(line.to_owned());
        }
    }

    fn evidence(self, is_other_boot: bool, secrets: &Secrets) -> Vec<Evidence> {
        let mut evidence: Vec<Evidence> =
            self.kept.iter().map(|line| Evidence::new("journal", secrets.clean(line))).collect();
        if let Some(last) = self.last.filter(|_| is_other_boot) {
            let text = format!("the journal's last line before the boot is of {}", secrets.clean(&last));
            evidence.push(Evidence::new("journal", text));
        }
        evidence
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::ledger::tests::reading;

    #[test]
    fn the_window_ends_where_the_restart_was() {
        let previous = RunRecord::new(&reading("2026-11-29T02:00:00Z", "a", 100), None, "1");
        let until = |wall: &str, boot: &str, uptime| {
            window(&previous, &reading(wall, boot, uptime)).map(|(_, until)| in_journalctl_words(until))
        };
        assert_eq!(until("2026-11-29T03:00:00Z", "a", 3700).unwrap(), "2026-11-29 03:00:00 UTC");
        assert_eq!(until("2026-11-29T03:00:00Z", "b", 60).unwrap(), "2026-11-29 02:59:00 UTC");
        let mut unset = reading("1970-01-01T00:01:00Z", "b", 60);
        unset.trusted = false;
        assert_eq!(window(&previous, &unset), None);
    }

    #[test]
    fn lines_of_the_host_that_explain_a_restart() {
        let mut picked = Picked::default();
        for line in [
            "2026-11-29T02:58:00+0000 host f00dfeedbeef[7]: reboot with password hunter2hunter2",
            "2026-11-29T02:58:01+0000 host kernel: Out of memory: Killed process 4242 (agent)",
            "2026-11-29T02:58:02+0000 host balena-supervisor[9]: [info] GET /v1/device 200",
            "2026-11-29T02:58:03+0000 host balena-supervisor[9]: Killing service 'main' apikey=k3ykeyk3y0123",
            "nonsense",
        ] {
            picked.look(line);
        }
        let secrets = Secrets::new(["k3ykeyk3y0123".to_owned().into()]);
        let texts: Vec<String> =
            picked.evidence(true, &secrets).into_iter().map(|evidence| evidence.text).collect();
        assert_eq!(
            texts,
            [
                "2026-11-29T02:58:01+0000 host kernel: Out of memory: Killed process 4242 (agent)",
                "2026-11-29T02:58:03+0000 host balena-supervisor[9]: Killing service 'main' apikey=[REDACTED]",
                "the journal's last line before the boot is of 2026-11-29T02:58:03+0000",
            ]
        );
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut picked = Picked::default();
        for number in 0..1000 {
            picked.look(&format!("2026-11-29T02:58:00+0000 host kernel: watchdog {number}"));
        }
        picked.look(&format!("2026-11-29T02:58:00+0000 host kernel: watchdog {}", "x".repeat(LINE_LIMIT)));
        let evidence = picked.evidence(false, &Secrets::default());
        assert_eq!((evidence.len(), evidence[0].text.ends_with("watchdog 994")), (KEPT, true));
    }
}
