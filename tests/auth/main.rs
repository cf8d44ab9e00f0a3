//! Logins: nothing but a token is ever kept as one, no login is lost, and no secret is in any text.
#![cfg(feature = "service")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

mod age;
mod login;
#[path = "../support/record.rs"]
mod record;
mod support;
mod who;
