//! Group commit: commits that wait together share one write and one sync.

use std::sync::Mutex;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::change::{Change, Durability, Need};
use super::error::StorageError;
use super::live::{LiveEntries, Projection};
use super::writer::{Attempt, Writer};
use crate::tasks::lock;

/// What a commit is answered.
pub(super) type Answer = Result<Durability, StorageError>;

/// A commit that waits to be written.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) changes: Vec<Change>,
    pub(super) need: Need,
    pub(super) attempt: Attempt,
    pub(super) answer: oneshot::Sender<Answer>,
    /// Its share of the bytes that may wait.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

impl Waiting {
    fn only_removes(&self) -> bool {
        self.changes.iter().all(|change| change.value().is_none())
    }

    fn needs_durability(&self) -> bool {
        self.need == Need::Durable && !self.only_removes()
    }
}

/// A commit and its answer, which is not sent yet.
#[derive(Debug)]
pub(super) struct Answered {
    commit: Waiting,
    answer: Answer,
}

impl Answered {
    /// Returns whether the commit was accepted.
    pub(super) fn is_accepted(&self) -> bool {
        self.answer.is_ok()
    }

    /// Sends the answer. The caller may have gone.
    pub(super) fn send(self) {
        drop(self.commit.room);
        let _ = self.commit.answer.send(self.answer);
    }
}

/// Writes the group, and applies what was accepted.
pub(super) fn write_group(
    writer: Option<&mut Writer>,
    live: &Mutex<LiveEntries>,
    group: Vec<Waiting>,
) -> Vec<Answered> {
    let (group, mut answers) = without_too_large(live, group);
    let written = match writer {
        Some(writer) => write(writer, live, &group),
        None => Written::Nothing(StorageError::no_directory()),
    };
    let mut live = lock(live);
    for commit in group {
        let answer = match &written {
            Written::Everything => Ok(Durability::Durable),
            Written::Removals(_) if commit.only_removes() => Ok(Durability::Durable),
            Written::Removals(error) | Written::Nothing(error) if commit.needs_durability() => {
                Err(error.clone())
            }
            Written::Removals(_) | Written::Nothing(_) => Ok(Durability::MemoryOnly),
        };
        if answer.is_ok() {
            commit.changes.iter().for_each(|change| live.apply(change));
        }
        answers.push(Answered { commit, answer });
    }
    answers
}

/// What of a group is in the file.
enum Written {
    Everything,
    /// Commits that only remove. The others failed.
    Removals(StorageError),
    Nothing(StorageError),
}

fn write(writer: &mut Writer, live: &Mutex<LiveEntries>, group: &[Waiting]) -> Written {
    let is_flush = group.iter().any(|commit| commit.attempt == Attempt::Now);
    let attempt = if is_flush { Attempt::Now } else { Attempt::WhenDue };
    let all = with_effect(writer, live, group.iter());
    let Err(error) = writer.write(live, &all, attempt) else { return Written::Everything };
    let removals = with_effect(writer, live, group.iter().filter(|commit| commit.only_removes()));
    let has_others = removals.len() < all.len();
    let are_removed = has_others && !removals.is_empty() && writer.append_removals(&removals).is_ok();
    let is_behind = group.iter().any(|commit| {
        let is_written = are_removed && commit.only_removes();
        !commit.changes.is_empty() && !is_written && !commit.needs_durability()
    });
    if is_behind {
        writer.fall_behind();
    }
    if are_removed { Written::Removals(error) } else { Written::Nothing(error) }
}

/// Returns the changes of these commits, without those that change nothing.
fn with_effect<'a>(
    writer: &Writer,
    live: &Mutex<LiveEntries>,
    commits: impl Iterator<Item = &'a Waiting>,
) -> Vec<&'a Change> {
    let live = lock(live);
    let mut projection = Projection::new(&live);
    let has_effect =
        |commit: &&'a Waiting| projection.add(&commit.changes).unwrap_or(true) || !writer.is_complete();
    commits.filter(has_effect).flat_map(|commit| &commit.changes).collect()
}

/// Refuses the commits that are too large, each as if those before it were accepted.
fn without_too_large(live: &Mutex<LiveEntries>, group: Vec<Waiting>) -> (Vec<Waiting>, Vec<Answered>) {
    let refusals: Vec<Option<StorageError>> = {
        let live = lock(live);
        let mut projection = Projection::new(&live);
        group.iter().map(|commit| projection.add(&commit.changes).err()).collect()
    };
    let (mut fitting, mut refused) = (Vec::with_capacity(group.len()), Vec::new());
    for (commit, refusal) in group.into_iter().zip(refusals) {
        match refusal {
            Some(error) => refused.push(Answered { commit, answer: Err(error) }),
            None => fitting.push(commit),
        }
    }
    (fitting, refused)
}
