//! balena in Rust: the device's own supervisor, update locks, and a simulated device to develop against.

mod api;
mod balena;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
mod core;
mod env;
mod error;
mod http;
mod ids;
pub mod odata;
mod open_enum;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod supervisor;
mod tasks;

pub use api::device::{DeviceAction, DeviceTarget, Devices, Local};
pub use balena::{Balena, Builder};
pub use env::Environment;
pub use error::{Error, ErrorKind, LockHolder, Result};
pub use ids::{ApplicationId, DeviceId, ImageId, ReleaseId, ServiceId, TagId};
pub use jiff;
pub use secrecy;
