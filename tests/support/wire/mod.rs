//! The recorded calls of the Python SDK, replayed: `tests/wire.rs`.

pub(crate) mod args;
pub(crate) mod application;
pub(crate) mod device;
pub(crate) mod device_values;
pub(crate) mod others;
