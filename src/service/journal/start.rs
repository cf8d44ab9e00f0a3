//! The order at start: state directory, owner, journal. What does not work is said, and the agent goes on in memory.

use std::path::Path;

use super::directory::{StateDirectory, prepare};
use super::owner::{OwnedBy, Owner};
use super::{Journal, Recovery};

/// The journal of this process, which is the only owner.
#[derive(Debug)]
pub(crate) struct OwnedJournal {
    /// The journal; in memory only if no state directory can be used.
    pub(crate) journal: Journal,
    /// Keeps other agents away. It is dropped last, after the tasks have ended.
    pub(crate) owner: Owner,
    /// What does not work, with what to do, for the log and the list of faults of `/ready`.
    pub(crate) faults: Vec<String>,
}

/// Finds the state directory, waits until no other agent owns it or `lock_directory`, and opens the journal.
///
/// `configured` is `AGENT_STATE_DIRECTORY`. `lock_directory` is the directory of the update lock; `None` where there is
/// none, as on a development machine. Calls `busy` for each other agent that it waits for. Dropping the future ends
/// the wait.
pub(crate) async fn open_owned(
    configured: Option<&Path>,
    lock_directory: Option<&Path>,
    busy: impl FnMut(&OwnedBy),
) -> OwnedJournal {
    let found = StateDirectory::find(configured);
    let mut faults: Vec<String> = found.message().map(str::to_owned).into_iter().collect();
    let directory = found.path().and_then(|path| match prepare(path) {
        Ok(()) => Some(path),
        Err(error) => {
            faults.push(error.to_string());
            None
        }
    });
    let owner = Owner::wait(directory, lock_directory, busy).await;
    faults.extend_from_slice(owner.faults());
    let journal = match directory {
        Some(path) => Journal::open(path).await.unwrap_or_else(|error| {
            faults.push(format!("{error}; the agent keeps its state in memory only"));
            Journal::in_memory()
        }),
        None => Journal::in_memory(),
    };
    if let Recovery::Gap { frames, bytes } = journal.recovery() {
        faults.push(format!(
            "the journal was damaged: {bytes} bytes could not be read, at least {frames} groups of changes are missing; the damaged file is kept beside it as journal.damaged-…"
        ));
    }
    OwnedJournal { journal, owner, faults }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::service::journal::{Change, Durability, Kind, Need};

    #[tokio::test]
    async fn the_next_agent_waits_and_then_has_what_the_first_one_wrote() {
        let root = std::env::temp_dir().join(format!("agent-start-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("locks")).unwrap();
        let (state, locks) = (root.join("state"), root.join("locks"));
        let open = |busy: fn(&OwnedBy)| open_owned(Some(&state), Some(&locks), busy);
        let first = open(|other| panic!("{other}")).await;
        let change = Change::Put { kind: Kind::LEASE, key: "a".to_owned(), value: b"{}".to_vec() };
        assert_eq!(first.journal.commit(vec![change], Need::Durable).await, Ok(Durability::Durable));
        assert!(tokio::time::timeout(Duration::from_millis(50), open(|_| ())).await.is_err());
        drop(first);
        let second = open(|other| panic!("{other}")).await;
        assert_eq!(second.journal.entries(Kind::LEASE).len(), 1);
        drop(second);

        // A file in the place of the directory: in memory, and said; still only one owner.
        let blocked = open_owned(Some(&root.join("state/journal")), Some(&locks), |_| ()).await;
        assert!(
            blocked.faults.iter().any(|fault| fault.contains("there is a file in its place")),
            "{:?}",
            blocked.faults
        );
        assert_eq!(blocked.journal.status().directory, None);
        assert!(tokio::time::timeout(Duration::from_millis(50), open(|_| ())).await.is_err());
        fs::remove_dir_all(&root).unwrap();
    }
}
