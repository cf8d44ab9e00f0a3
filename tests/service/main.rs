//! The long-running service against a supervisor that the test steers.
#![cfg(all(feature = "service", feature = "cli"))]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do, without being marked as such"
)]

mod answers;
mod followers;
mod handover;
mod ledger;
mod life;
mod outages;
mod parked;
mod place;
mod pressure;
mod process;
#[cfg(feature = "simulator")]
mod reboots;
mod restarts;
mod scopes;
mod server_sent;
mod storage;
mod support;
mod tricks;
