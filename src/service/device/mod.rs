//! The state of the device: the observer that polls the supervisor, the snapshot it publishes, and what changed between
//! two snapshots.

mod change;
mod health;
mod observer;
mod outage;
mod state;

pub(crate) use change::{Change, diff};
pub(crate) use health::{Progress, readiness};
pub(crate) use observer::run;
#[cfg(test)]
pub(crate) use state::tests;
pub(crate) use state::{Applications, Connection, Snapshot, SupervisorView};
