//! The cloud of the device: an HTTP server that serves what the key of a device may do about itself.
//!
//! Resources of the versions 6 and 7: its own row (rename, note, location, pin), its tags and variables, and reads of its
//! fleet, releases, services and images. Missing: the proxy to supervisors, logs, and everything of other devices.

mod odata;
mod query;
mod requests;
mod schema;
mod seed;
mod server;
mod tables;
mod target;

pub(super) use seed::DEVICE;
pub use server::{CloudApi, CloudRequest};
pub(super) use server::{Reserved, Server};
pub(super) use tables::Tables;
