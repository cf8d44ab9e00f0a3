//! The handlers, one file for each noun. How to add one: see [`table`](super::table).

pub(super) mod actions;
pub(super) mod events;
pub(super) mod health;
pub(super) mod ledger;
pub(super) mod locks;
pub(super) mod metrics;
pub(super) mod openapi;
pub(super) mod state;
