//! A lock file in memory, and who has it.

use std::sync::{Arc, Mutex};

use crate::error::{Error, ErrorKind, Result};
use crate::service::locks::holder::LockFile;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileOwner {
    /// A process of an agent.
    Agent(u64),
    Foreign,
    Supervisor,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    owner: FileOwner,
    /// Whether its process lives.
    flock: bool,
    /// Differs for each file that is created.
    inode: u64,
}

/// The directory of the lock.
#[derive(Debug, Clone, Default)]
pub(crate) struct World(Arc<Mutex<(Option<Entry>, u64)>>);

impl World {
    fn set(&self, owner: FileOwner) -> u64 {
        let mut inner = self.0.lock().unwrap();
        inner.1 += 1;
        inner.0 = Some(Entry { owner, flock: true, inode: inner.1 });
        inner.1
    }

    pub(crate) fn remove(&self) {
        self.0.lock().unwrap().0 = None;
    }

    fn entry(&self) -> Option<Entry> {
        self.0.lock().unwrap().0
    }

    pub(crate) fn owner(&self) -> Option<FileOwner> {
        self.entry().map(|entry| entry.owner)
    }

    pub(crate) fn is_held_by(&self, process: u64) -> bool {
        self.entry().is_some_and(|entry| entry.owner == FileOwner::Agent(process) && entry.flock)
    }

    pub(crate) fn is_left_behind(&self) -> bool {
        self.entry().is_some_and(|entry| matches!(entry.owner, FileOwner::Agent(_)) && !entry.flock)
    }

    /// A process has ended: its `flock` is gone.
    pub(crate) fn end(&self, process: u64) {
        if let Some(entry) = &mut self.0.lock().unwrap().0
            && entry.owner == FileOwner::Agent(process)
        {
            entry.flock = false;
        }
    }

    /// Another program takes a free lock, or lets go of its own.
    pub(crate) fn foreign(&self, owner: Option<FileOwner>) {
        match (self.owner(), owner) {
            (None, Some(owner)) => drop(self.set(owner)),
            (Some(FileOwner::Foreign | FileOwner::Supervisor), None) => self.remove(),
            _ => {}
        }
    }
}

/// The lock file as one process sees it.
#[derive(Debug)]
pub(crate) struct FakeFile {
    world: World,
    process: u64,
    inode: Option<u64>,
}

impl FakeFile {
    pub(crate) fn new(world: &World, process: u64) -> Self {
        Self { world: world.clone(), process, inode: None }
    }
}

impl LockFile for FakeFile {
    fn take(&mut self) -> Result<()> {
        match self.world.entry() {
            Some(entry) if entry.flock || !matches!(entry.owner, FileOwner::Agent(_)) => {
                Err(Error::new(ErrorKind::Locked, format!("held by {:?}", entry.owner)))
            }
            _ => {
                self.inode = Some(self.world.set(FileOwner::Agent(self.process)));
                Ok(())
            }
        }
    }

    fn is_left_behind(&self) -> bool {
        self.world.is_left_behind()
    }

    fn is_held(&self) -> bool {
        self.inode.is_some() && self.world.entry().map(|entry| entry.inode) == self.inode
    }

    fn release(&mut self) {
        if self.is_held() {
            self.world.remove();
        }
        self.inode = None;
    }

    fn leave(&mut self) {
        if self.is_held() {
            self.world.end(self.process);
        }
        self.inode = None;
    }
}
