//! Asked actions: start, stop, restart, purge, reboot, shutdown, update, identify.
//!
//! `decide.rs` says whether an action may be sent and how long its asker waits; `table.rs` remembers what was asked, for
//! `GET /agent/v1/actions/{id}` and repeated requests; `run.rs` sends it to the supervisor, once.

mod decide;
mod run;
mod table;

pub(crate) use decide::{ActionRequest, ActionTarget, Force, Refused};
pub(crate) use run::{Actions, Answered};
pub(crate) use table::{ActionRecord, ActionState};
