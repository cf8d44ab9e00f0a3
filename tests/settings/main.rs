//! Settings in the SDK's file: whole or as they were, whoever writes, whatever happens, and readable by the SDK.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod file;
mod processes;
mod python;
#[path = "../support/record.rs"]
mod record;
mod support;
mod trouble;
