//! A journal without threads on a storage in memory, for tests.

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::oneshot;

use super::change::{Change, Kind, Need};
use super::disk::Disk;
use super::group::{self, Answer, Waiting};
use super::live::LiveEntries;
use super::replay::{Replayed, replay};
use super::status::Recovery;
use super::writer::{Attempt, Writer};

/// A journal without threads.
pub(super) struct Bench {
    pub(super) disk: Disk,
    live: Mutex<LiveEntries>,
    pub(super) writer: Writer,
    pub(super) recovery: Recovery,
}

impl Bench {
    pub(super) fn open(disk: &Disk) -> Self {
        let bytes = disk.bytes();
        let mut replayed = if bytes.is_empty() { Replayed::fresh() } else { replay(&bytes).unwrap() };
        let live = Mutex::new(std::mem::take(&mut replayed.live));
        let recovery = replayed.recovery;
        let writer =
            Writer::new(Box::new(disk.clone()), &mut replayed, bytes.len() as u64, &live, Duration::ZERO);
        Self { disk: disk.clone(), live, writer, recovery }
    }

    pub(super) fn group(&mut self, commits: Vec<(Vec<Change>, Need)>) -> Vec<Answer> {
        let mut answers = Vec::new();
        let waiting = commits.into_iter().map(|(changes, need)| {
            let (answer, answered) = oneshot::channel();
            answers.push(answered);
            Waiting { changes, need, attempt: Attempt::WhenDue, answer, room: None }
        });
        let waiting = waiting.collect();
        group::write_group(Some(&mut self.writer), &self.live, waiting)
            .into_iter()
            .for_each(group::Answered::send);
        self.writer.compact(&self.live);
        answers.into_iter().map(|mut answer| answer.try_recv().unwrap()).collect()
    }

    pub(super) fn commit(&mut self, changes: Vec<Change>, need: Need) -> Answer {
        self.group(vec![(changes, need)]).remove(0)
    }

    pub(super) fn live(&self) -> LiveEntries {
        self.live.lock().unwrap().clone()
    }
}

pub(super) fn put(key: &str, value: &str) -> Change {
    Change::Put { kind: Kind::LEASE, key: key.to_owned(), value: value.as_bytes().to_vec() }
}

pub(super) fn delete(key: &str) -> Change {
    Change::Delete { kind: Kind::LEASE, key: key.to_owned() }
}
