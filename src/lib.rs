//! balena in Rust: the device's own supervisor, update locks, and a simulated device to develop against.

#[cfg(feature = "simulator")]
pub mod simulator;
mod tasks;
