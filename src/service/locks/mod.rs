//! Update-lock leases: the agent holds the update lock of its service for other containers.
//!
//! `lease.rs` and `table.rs` decide, `holder.rs` is the lock file with its holders, `leases.rs` joins them, `adopt.rs`
//! says what a restart leaves of a TTL. All of these get the time as a value. `handle.rs` adds clock, journal and
//! waiting; `task.rs` notices what nobody asks for.

mod adopt;
mod event;
mod handle;
mod holder;
mod lease;
mod leases;
#[cfg(test)]
mod model;
mod request;
mod table;
mod task;
mod view;

pub(crate) use event::LeaseEvent;
pub(crate) use handle::Locks;
pub(crate) use lease::{LeaseKey, LeaseState, Term};
pub(crate) use request::{LeaseRequest, Refusal, Verb};
pub(crate) use table::{LeaseLimits, Parked, Step};
pub(crate) use task::run;
pub(crate) use view::LeaseView;
