#![doc = include_str!("../README.md")]
// Examples and benchmarks print; the library does so at one place, by hand.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod api;
mod balena;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
mod core;
mod env;
mod error;
mod fs;
mod http;
mod ids;
mod json;
mod open_enum;
#[cfg(feature = "service")]
pub mod service;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod supervisor;
#[cfg(any(feature = "service", feature = "simulator"))]
mod tasks;

pub use api::device::{DeviceAction, DeviceTarget, Devices, Local};
pub use balena::{Balena, Builder};
pub use env::Environment;
pub use error::{Error, ErrorKind, LockHolder, Result};
pub use ids::{ApplicationId, DeviceId, ImageId, ReleaseId, ServiceId, TagId};
pub use jiff;
pub use secrecy;
