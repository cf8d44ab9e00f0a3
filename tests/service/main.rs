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
mod ledger;
mod life;
mod outages;
mod parked;
mod pressure;
mod process;
mod scopes;
mod server_sent;
mod support;
mod tricks;
