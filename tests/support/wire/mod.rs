//! The recorded calls of the Python SDK, replayed: `tests/wire.rs`.

pub(crate) mod after;
pub(crate) mod application;
pub(crate) mod args;
pub(crate) mod auth;
pub(crate) mod cases;
pub(crate) mod device;
pub(crate) mod device_values;
pub(crate) mod home;
pub(crate) mod js;
pub(crate) mod judge;
pub(crate) mod logs;
pub(crate) mod loopback;
pub(crate) mod os;
pub(crate) mod others;
pub(crate) mod outcomes;
pub(crate) mod quirks;
pub(crate) mod quirks_auth;
mod quirks_files;
mod quirks_filter;
mod quirks_options;
mod quirks_os;
mod quirks_versions;
pub(crate) mod replay;
pub(crate) mod request;
pub(crate) mod rulebook;
pub(crate) mod script;
pub(crate) mod sdk_map;
pub(crate) mod settings;
mod source;
mod typed;
pub(crate) mod v7;

use args::{Args, Outcome};
use balena_agent::Balena;

/// Makes the call that stands for a function of the SDK; `None` if there is none yet.
pub(crate) async fn call(balena: &Balena, function: &str, args: &Args) -> Option<Outcome> {
    if let Some(outcome) = Box::pin(auth::call(balena, function, args)).await {
        return Some(outcome);
    }
    // Boxed: each of them holds the futures of dozens of calls.
    if let Some(outcome) = Box::pin(application::call(balena, function, args)).await {
        return Some(outcome);
    }
    if let Some(outcome) = Box::pin(device::call(balena, function, args)).await {
        return Some(outcome);
    }
    if let Some(outcome) = Box::pin(device_values::call(balena, function, args)).await {
        return Some(outcome);
    }
    if let Some(outcome) = Box::pin(os::call(balena, function, args)).await {
        return Some(outcome);
    }
    Box::pin(others::call(balena, function, args)).await
}
