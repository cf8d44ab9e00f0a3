//! The task that notices what nobody asks for: a lease that ends, and a lock file that is taken away.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::supervisor::LockWatch;
use crate::tasks::StopSignal;

use super::handle::{LockNeed, Locks};

/// How often to look at a held lock besides inotify. Timers also stand still while the device sleeps, and the wall
/// clock may be set: `not_after` is observed at most this late.
const LOOK_INTERVAL: Duration = Duration::from_secs(30);

/// Runs until the service stops; then the locks stop too. Without a held lease it never wakes.
pub(crate) async fn run(locks: Arc<Locks>, stop: StopSignal) -> Result<()> {
    let mut changed = locks.changed();
    let mut watch: Option<LockWatch> = None;
    loop {
        changed.mark_unchanged();
        let (next_end, need) = locks.settled().await;
        match (need, &watch) {
            (LockNeed::Needed, None) => {
                watch = Some(locks.watch(LOOK_INTERVAL));
                // What happened before the watch began.
                continue;
            }
            (LockNeed::None, Some(_)) => watch = None,
            _ => {}
        }
        tokio::select! {
            () = stop.requested() => break,
            Ok(()) = changed.changed() => {}
            () = next_change(watch.as_mut()) => {}
            () = sleep(next_end) => {}
        }
    }
    locks.stop().await;
    Ok(())
}

async fn next_change(watch: Option<&mut LockWatch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => pending().await,
    }
}

async fn sleep(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => pending().await,
    }
}
