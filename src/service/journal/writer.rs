//! Writes groups of changes to the file, and a new file when the old one is not trusted or has too much in it that is
//! no longer live.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::change::Change;
use super::error::StorageError;
use super::frame::{self, ForeignOp, FrameBuilder};
use super::live::LiveEntries;
use super::replay::Replayed;
use super::status::Recovery;
use super::storage::{Storage, Target};
use crate::tasks::lock;

/// The file grows by this many bytes of zeros at a time. Frames are written over zeros: that changes no metadata of
/// the file system, and works when it is full.
const EXTENT: u64 = 64 * 1024;
/// Zeros that only removals may use, so that they can be written when the file system is full.
const RESERVE: u64 = 16 * 1024;
/// The file is written anew when this many bytes in it, and as many as are live, are not live any more.
const DEAD_LIMIT: u64 = 128 * 1024;
/// Largest file. It is reached only if the file can't be replaced.
pub(super) const FILE_LIMIT: u64 = 16 * 1024 * 1024;
/// Operations in one frame of a new file.
const CHUNK: usize = 64 * 1024;
/// Longest pause between attempts to write a new file.
const MAX_PAUSE: Duration = Duration::from_secs(5 * 60);

/// Whether an attempt to write a new file may come before its pause has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    /// Only after the pause; before it the last error is returned.
    WhenDue,
    /// At once.
    Now,
}

/// The room in the file that a frame may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    /// All but the reserve.
    BeforeReserve,
    /// The reserve too.
    WithReserve,
}

/// How far the file can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Further frames may be written to it.
    Trusted,
    /// A write or a sync of it failed: its content in memory and on the storage may differ. It is only replaced.
    Failed,
}

/// Where the journal stands in its file.
#[derive(Debug)]
pub(super) struct Writer {
    storage: Box<dyn Storage>,
    foreign: Vec<ForeignOp>,
    minor: u8,
    /// Sequence of the next frame.
    sequence: u64,
    /// Offset of the next frame.
    end: u64,
    /// Length of the file: zeros from `end` to here.
    capacity: u64,
    trust: Trust,
    /// Some live entries are not in the file, or removed or refused ones may be.
    is_behind: bool,
    first_pause: Duration,
    pause: Duration,
    next_attempt: Option<Instant>,
    pub(super) counts: Counts,
    pub(super) last_error: Option<StorageError>,
}

/// What was written.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts {
    pub(super) bytes_written: u64,
    pub(super) compactions: u64,
}

impl Writer {
    /// Goes on with a file as it was read; `length` is its length. A fresh or damaged file is written anew at once.
    pub(super) fn new(
        storage: Box<dyn Storage>,
        replayed: &mut Replayed,
        length: u64,
        live: &Mutex<LiveEntries>,
        first_pause: Duration,
    ) -> Self {
        let mut writer = Self {
            storage,
            foreign: std::mem::take(&mut replayed.foreign),
            minor: replayed.minor,
            sequence: replayed.next_sequence,
            end: to_u64(replayed.end),
            capacity: length,
            trust: Trust::Trusted,
            is_behind: false,
            first_pause,
            pause: first_pause,
            next_attempt: None,
            counts: Counts::default(),
            last_error: None,
        };
        let is_usable = match replayed.recovery {
            Recovery::Clean => true,
            Recovery::TornTail { .. } => writer.erase(writer.end, replayed.tail).is_ok(),
            Recovery::Fresh | Recovery::Gap { .. } => false,
        };
        if !is_usable {
            writer.trust = Trust::Failed;
            if replayed.recovery.may_have_lost()
                && let Err(error) = writer.storage.set_aside()
            {
                let path = writer.storage.path().display();
                tracing::warn!(%path, %error, "the damaged journal can't be kept under another name");
            }
            if let Err(error) = writer.rewrite(live, &[], Attempt::Now) {
                tracing::warn!(%error, "the journal can't be written: changes are kept in memory only");
            }
        }
        writer
    }

    /// Writes and syncs these changes. They are not in `live` yet.
    ///
    /// # Errors
    /// They are not in the file, unless the error is uncertain.
    pub(super) fn write(
        &mut self,
        live: &Mutex<LiveEntries>,
        changes: &[&Change],
        attempt: Attempt,
    ) -> Result<(), StorageError> {
        let only_removes = changes.iter().all(|change| change.value().is_none());
        let can_append = self.trust == Trust::Trusted && (!self.is_behind || only_removes);
        if changes.is_empty() && (!self.needs_rewrite() || (!self.is_behind && attempt == Attempt::WhenDue)) {
            return Ok(());
        }
        if can_append && !changes.is_empty() {
            let room = if only_removes { Room::WithReserve } else { Room::BeforeReserve };
            match self.append(changes, room) {
                Ok(()) => return Ok(()),
                // Nothing of it was written, for lack of room. A whole new file needs more.
                Err(error) if self.trust == Trust::Trusted => return Err(self.failed(error)),
                Err(error) => drop(self.failed(error)),
            }
            let (at, length) = (self.end, frame_of(changes, self.sequence).len());
            return self.rewrite(live, changes, Attempt::Now).map_err(|error| {
                if error.is_uncertain() || self.erase(at, length).is_ok() {
                    return error;
                }
                self.is_behind = true;
                error.uncertain()
            });
        }
        self.rewrite(live, changes, attempt)
    }

    /// Writes and syncs these removals into the room that is kept for them.
    ///
    /// # Errors
    /// If the file is not trusted or that room is used up too.
    pub(super) fn append_removals(&mut self, removals: &[&Change]) -> Result<(), StorageError> {
        match self.trust {
            Trust::Trusted => self.append(removals, Room::WithReserve),
            Trust::Failed => Err(self.last_error.clone().unwrap_or_else(StorageError::no_directory)),
        }
    }

    /// Says that changes were applied in memory that are not in the file.
    pub(super) fn fall_behind(&mut self) {
        self.is_behind = true;
        if self.next_attempt.is_none() {
            self.next_attempt = Instant::now().checked_add(self.pause);
        }
    }

    /// Returns whether everything that was accepted is in the file.
    pub(super) fn is_complete(&self) -> bool {
        !self.is_behind
    }

    /// Returns whether a new file must be written.
    pub(super) fn needs_rewrite(&self) -> bool {
        self.is_behind || self.trust == Trust::Failed
    }

    /// Returns when the next attempt to write a new file is due, if one must be written.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        if self.needs_rewrite() { self.next_attempt } else { None }
    }

    /// Writes a new file if the old one has too much in it that is not live.
    pub(super) fn compact(&mut self, live: &Mutex<LiveEntries>) {
        let live_bytes = to_u64(lock(live).bytes());
        let dead = self.end.saturating_sub(live_bytes);
        let is_due = self.next_attempt.is_none_or(|at| at <= Instant::now());
        if dead > DEAD_LIMIT.max(live_bytes)
            && is_due
            && let Err(error) = self.rewrite(live, &[], Attempt::Now)
        {
            tracing::warn!(%error, "the journal can't be compacted");
        }
    }

    /// Returns the size of the file.
    pub(super) fn file_bytes(&self) -> u64 {
        self.capacity
    }

    /// Writes one frame into the zeros at the end of the file.
    fn append(&mut self, changes: &[&Change], room: Room) -> Result<(), StorageError> {
        let frame = frame_of(changes, self.sequence);
        let end = self.end.saturating_add(to_u64(frame.len()));
        let reserve = if room == Room::WithReserve { 0 } else { RESERVE };
        if end.saturating_add(RESERVE) > self.capacity {
            let extended = self.extend(end.saturating_add(RESERVE));
            if end.saturating_add(reserve) > self.capacity {
                extended?;
            }
        }
        self.write_all(Target::Current, &frame, self.end).inspect_err(|_| self.trust = Trust::Failed)?;
        self.sync(Target::Current).inspect_err(|_| self.trust = Trust::Failed)?;
        (self.end, self.sequence) = (end, self.sequence.saturating_add(1));
        if !self.needs_rewrite() {
            self.last_error = None;
        }
        Ok(())
    }

    /// Makes the file at least this long.
    fn extend(&mut self, least: u64) -> Result<(), StorageError> {
        let capacity = least.next_multiple_of(EXTENT);
        if capacity > FILE_LIMIT {
            let message =
                std::io::Error::other("the journal file has its largest size and can't be replaced");
            return Err(self.io("extend", &message));
        }
        let zeros = vec![0; to_usize(capacity.saturating_sub(self.capacity))];
        self.write_all(Target::Current, &zeros, self.capacity)?;
        self.capacity = capacity;
        Ok(())
    }

    /// Puts a new file with the live entries and these changes in the place of the old one.
    fn rewrite(
        &mut self,
        live: &Mutex<LiveEntries>,
        changes: &[&Change],
        attempt: Attempt,
    ) -> Result<(), StorageError> {
        if attempt == Attempt::WhenDue
            && self.next_attempt.is_some_and(|at| at > Instant::now())
            && let Some(error) = &self.last_error
        {
            return Err(error.clone());
        }
        let result = self.replace_file(live, changes);
        match result {
            Ok(()) => {
                if self.last_error.take().is_some() {
                    tracing::info!(path = %self.storage.path().display(), "the journal is written again");
                }
                (self.trust, self.is_behind) = (Trust::Trusted, false);
                (self.pause, self.next_attempt) = (self.first_pause, None);
                Ok(())
            }
            Err(error) => {
                self.next_attempt = Instant::now().checked_add(self.pause);
                self.pause = self.pause.saturating_mul(2).min(MAX_PAUSE);
                // The file may have changes now that were refused: a removal of their keys has to be written too.
                self.is_behind |= error.is_uncertain();
                Err(self.failed(error))
            }
        }
    }

    fn replace_file(&mut self, live: &Mutex<LiveEntries>, changes: &[&Change]) -> Result<(), StorageError> {
        self.storage.create_next().map_err(|cause| self.io("create a new file for", &cause))?;
        let mut sequence = self.sequence;
        let mut end = 0;
        let header = frame::encode_header(self.minor, sequence);
        self.write_next(&header, &mut end)?;
        let mut after = None;
        loop {
            let mut chunk = FrameBuilder::default();
            let last = lock(live).walk(after.as_ref(), |kind, key, value| {
                chunk.put(kind, key, value);
                chunk.length() < CHUNK
            });
            let Some(last) = last else { break };
            after = Some(last);
            self.write_next(&chunk.finish(sequence), &mut end)?;
            sequence = sequence.saturating_add(1);
        }
        let foreign = self.foreign.iter().map(|op| {
            let mut frame = FrameBuilder::default();
            frame.foreign(op);
            frame
        });
        for frame in foreign.collect::<Vec<_>>() {
            self.write_next(&frame.finish(sequence), &mut end)?;
            sequence = sequence.saturating_add(1);
        }
        if !changes.is_empty() {
            self.write_next(&frame_of(changes, sequence), &mut end)?;
            sequence = sequence.saturating_add(1);
        }
        let capacity = end.saturating_add(RESERVE).next_multiple_of(EXTENT);
        let zeros = vec![0; to_usize(capacity.saturating_sub(end))];
        let mut filled = end;
        self.write_next(&zeros, &mut filled)?;
        self.sync(Target::Next)?;
        self.storage.replace().map_err(|cause| self.io("replace", &cause))?;
        // From here on the new file is the journal, though after a power cut the old one may be back.
        self.trust = Trust::Failed;
        (self.sequence, self.end, self.capacity) = (sequence, end, capacity);
        self.counts.compactions = self.counts.compactions.saturating_add(1);
        let synced = self.storage.sync_directory();
        synced.map_err(|cause| self.io("sync the directory of", &cause).uncertain())
    }

    fn write_next(&mut self, bytes: &[u8], end: &mut u64) -> Result<(), StorageError> {
        self.write_all(Target::Next, bytes, *end)?;
        *end = end.saturating_add(to_u64(bytes.len()));
        Ok(())
    }

    /// Overwrites a part of the file with zeros again.
    fn erase(&mut self, at: u64, length: usize) -> Result<(), StorageError> {
        self.write_all(Target::Current, &vec![0; length], at)?;
        self.sync(Target::Current)
    }

    fn write_all(&mut self, target: Target, mut bytes: &[u8], mut at: u64) -> Result<(), StorageError> {
        while !bytes.is_empty() {
            let written = match self.storage.write_at(target, bytes, at) {
                Ok(0) => Err(std::io::Error::from(std::io::ErrorKind::WriteZero)),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                result => result,
            };
            let written = written.map_err(|cause| self.io("write", &cause))?;
            self.counts.bytes_written = self.counts.bytes_written.saturating_add(to_u64(written));
            at = at.saturating_add(to_u64(written));
            bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    fn sync(&mut self, target: Target) -> Result<(), StorageError> {
        self.storage.sync(target).map_err(|cause| self.io("sync", &cause))
    }

    fn io(&self, action: &str, cause: &std::io::Error) -> StorageError {
        StorageError::io(format_args!("{action} {}", self.storage.path().display()), cause)
    }

    /// Keeps the error for the status, and logs it when it is the first.
    fn failed(&mut self, error: StorageError) -> StorageError {
        if self.last_error.is_none() {
            tracing::warn!(%error, "the journal's storage failed");
        }
        self.last_error = Some(error.clone());
        error
    }
}

fn frame_of(changes: &[&Change], sequence: u64) -> Vec<u8> {
    let mut frame = FrameBuilder::default();
    for change in changes {
        frame.change(change);
    }
    frame.finish(sequence)
}

fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn to_usize(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}
