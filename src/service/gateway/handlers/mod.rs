//! The handlers, one file for each noun. How to add one: see [`table`](super::table).

pub(super) mod events;
pub(super) mod health;
pub(super) mod metrics;
pub(super) mod openapi;
pub(super) mod state;
