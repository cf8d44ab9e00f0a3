//! A storage in memory, for tests: with faults, and with power cuts that lose what was not synced.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use super::storage::{Storage, Target};

const SECTOR: usize = 512;
const BLOCK: u64 = 4096;

/// What a call does instead of what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing, and fails.
    Fails(io::ErrorKind),
    /// Writes this many bytes, and says so. Other calls are as asked.
    Short(usize),
    /// Does about half of it, and fails.
    Half(io::ErrorKind),
}

/// A storage; clones are the same one.
#[derive(Debug, Clone)]
pub(super) struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
pub(super) struct State {
    files: BTreeMap<u64, Image>,
    current: Option<u64>,
    /// The file that has the name after a power cut.
    durable: Option<u64>,
    next: Option<u64>,
    made: u64,
    pub(super) calls: usize,
    pub(super) faults: BTreeMap<usize, Fault>,
    /// All calls from here on fail.
    pub(super) dead_from: Option<usize>,
    /// Bytes that all files together may have.
    pub(super) space: Option<usize>,
    pub(super) aside: Vec<Vec<u8>>,
    /// Whole blocks of 4 KiB that syncs had to write.
    pub(super) blocks: u64,
    random: u64,
}

#[derive(Debug, Default, Clone)]
struct Image {
    cached: Vec<u8>,
    stored: Vec<u8>,
    dirty: BTreeSet<usize>,
}

impl Image {
    fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if self.cached.len() < end {
            self.cached.resize(end, 0);
        }
        self.cached[offset..end].copy_from_slice(bytes);
        self.dirty.extend(offset / SECTOR..end.div_ceil(SECTOR));
    }

    fn store(&mut self, sector: usize) {
        let start = sector * SECTOR;
        let end = (start + SECTOR).min(self.cached.len());
        if self.stored.len() < end {
            self.stored.resize(end, 0);
        }
        self.stored[start..end].copy_from_slice(&self.cached[start..end]);
    }
}

impl State {
    fn random(&mut self) -> u64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.random >> 33
    }

    /// Counts the call. Returns its fault.
    fn call(&mut self) -> io::Result<Option<Fault>> {
        let call = self.calls;
        self.calls += 1;
        if self.dead_from.is_some_and(|from| call >= from) {
            return Err(io::Error::other("the power is off"));
        }
        match self.faults.get(&call) {
            Some(Fault::Fails(kind)) => Err(io::Error::from(*kind)),
            fault => Ok(fault.copied()),
        }
    }

    fn id(&self, target: Target) -> io::Result<u64> {
        let id = if target == Target::Current { self.current } else { self.next };
        id.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

impl Disk {
    /// Makes an empty one.
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State { random: seed, ..State::default() })))
    }

    /// Makes one with this journal on it.
    pub(super) fn with(bytes: &[u8]) -> Self {
        let disk = Self::new(0);
        let image = Image { cached: bytes.to_vec(), stored: bytes.to_vec(), dirty: BTreeSet::new() };
        let mut state = disk.state();
        state.files.insert(0, image);
        (state.current, state.durable, state.made) = (Some(0), Some(0), 1);
        drop(state);
        disk
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Returns the journal as a process sees it.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let state = self.state();
        state.current.map(|id| state.files[&id].cached.clone()).unwrap_or_default()
    }

    /// Cuts the power, and starts again: of what was not synced, any part may be there.
    pub(super) fn power_cut(&self) -> Self {
        let mut state = self.state();
        let keeps_rename = state.random().is_multiple_of(2);
        let name = if keeps_rename { state.current } else { state.durable };
        let image = name.map(|id| state.files[&id].clone());
        let Some(mut image) = image else { return Self::new(state.random()) };
        for sector in image.dirty.clone() {
            if state.random().is_multiple_of(2) {
                image.store(sector);
            }
        }
        Self::with(&image.stored)
    }
}

impl Storage for Disk {
    fn read(&mut self, _limit: u64) -> io::Result<Option<Vec<u8>>> {
        let state = self.state();
        Ok(state.current.map(|id| state.files[&id].cached.clone()))
    }

    fn create_next(&mut self) -> io::Result<()> {
        let mut state = self.state();
        if let Some(old) = state.next.take() {
            state.files.remove(&old);
        }
        state.call()?;
        let id = state.made;
        state.made += 1;
        state.files.insert(id, Image::default());
        state.next = Some(id);
        Ok(())
    }

    fn write_at(&mut self, target: Target, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut state = self.state();
        let fault = state.call()?;
        let id = state.id(target)?;
        let offset = usize::try_from(offset).unwrap();
        let length = state.files[&id].cached.len();
        let growth = (offset + bytes.len()).saturating_sub(length);
        let all: usize = state.files.values().map(|file| file.cached.len()).sum();
        if growth > 0 && state.space.is_some_and(|space| all + growth > space) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        let count = match fault {
            Some(Fault::Short(count)) => count.min(bytes.len()),
            Some(Fault::Half(_)) => bytes.len() / 2,
            _ => bytes.len(),
        };
        state.files.get_mut(&id).unwrap().write(&bytes[..count], offset);
        match fault {
            Some(Fault::Half(kind)) => Err(io::Error::from(kind)),
            _ => Ok(count),
        }
    }

    /// After a failure, what was not written counts as clean: a later sync succeeds and does not write it.
    fn sync(&mut self, target: Target) -> io::Result<()> {
        let mut state = self.state();
        let result = state.call();
        let id = state.id(target)?;
        let mut image = state.files.remove(&id).unwrap();
        if state.dead_from.is_none_or(|from| state.calls <= from) {
            let fails = !matches!(result, Ok(None | Some(Fault::Short(_))));
            let blocks: BTreeSet<u64> =
                image.dirty.iter().map(|sector| (sector * SECTOR) as u64 / BLOCK).collect();
            state.blocks += blocks.len() as u64;
            for sector in std::mem::take(&mut image.dirty) {
                if !fails || state.random().is_multiple_of(2) {
                    image.store(sector);
                }
            }
        }
        state.files.insert(id, image);
        match result? {
            Some(Fault::Half(kind)) => Err(io::Error::from(kind)),
            _ => Ok(()),
        }
    }

    fn replace(&mut self) -> io::Result<()> {
        let mut state = self.state();
        let fault = state.call()?;
        if let Some(Fault::Half(kind)) = fault {
            return Err(io::Error::from(kind));
        }
        let old = state.current;
        state.current = state.next.take();
        if let Some(old) = old.filter(|old| state.durable != Some(*old)) {
            state.files.remove(&old);
        }
        Ok(())
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        let mut state = self.state();
        let fault = state.call()?;
        if let Some(Fault::Half(kind)) = fault {
            return Err(io::Error::from(kind));
        }
        let current = state.current;
        let old = std::mem::replace(&mut state.durable, current);
        let unused = old.filter(|old| state.durable != Some(*old));
        if let Some(old) = unused {
            state.files.remove(&old);
        }
        Ok(())
    }

    fn set_aside(&mut self) -> io::Result<()> {
        let bytes = self.bytes();
        let mut state = self.state();
        state.call()?;
        state.aside.push(bytes);
        Ok(())
    }

    fn path(&self) -> &Path {
        static PATH: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
        PATH.get_or_init(|| PathBuf::from("/data/balena-agent/journal"))
    }
}
