//! The recorded calls of the JS SDK: what the Python SDK lacks. `tests/cases/wire-js/FORMAT.md`.
//!
//! A family is a file here: [`Family::call`] makes the calls, [`Family::adjust`] changes what was recorded to what
//! is promised where `FORMAT.md` (rows J…) or `v6-v7.md` §2 says that ours differs.

mod auth;
mod batch;
mod billing;
mod config;
mod device;
mod device_type;
mod files;
mod forms;
mod logs;
mod membership;
mod os;
mod outcomes;
pub(super) mod patterns;
mod promised_files;
mod team;

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use balena_agent::{ApiVersion, Balena, ChunkSize, Settings};
use serde_json::{Map, Value, json};

pub(crate) use outcomes::recorded;
pub(crate) use patterns::not_retried;

use super::args::{Args, Outcome};
use super::cases::{self, Case};
use super::quirks::Expected;
use super::rulebook::Rulebook;

/// Where the project's own copies lie.
pub(crate) fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/wire-js")
}

/// The project's own cases.
fn own() -> Vec<Case> {
    cases::read(&home())
}

/// What means the same, in one form.
pub(super) fn in_one_form(case: &mut Case) {
    for exchange in &mut case.exchange {
        exchange.check.absent_is_null = true;
        // JS asks for a column twice where two parts of it want it.
        exchange.request.canonical_query.iter_mut().for_each(once);
        exchange.request.canonical_query.iter_mut().for_each(patterns::spaced);
    }
}

/// Names in a `$select`, each of them once.
fn once(value: &mut Value) {
    match value {
        Value::Object(options) => {
            if let Some(Value::Array(names)) = options.get_mut("$select") {
                names.dedup();
            }
            options.values_mut().for_each(once);
        }
        Value::Array(items) => items.iter_mut().for_each(once),
        _ => {}
    }
}

/// The settings, or which of them has no typed form.
pub(crate) fn settings(recorded: &Map<String, Value>) -> Result<Settings, String> {
    let mut settings = Settings { api_version: ApiVersion::V7, ..Settings::default() };
    for (name, value) in recorded {
        match (name.as_str(), value) {
            ("dataDirectory" | "debug", Value::Bool(_)) => {}
            ("apiUrl", Value::String(address)) => settings.api_endpoint = Some(address.clone()),
            ("dashboardUrl", Value::String(address)) => settings.dashboard_url = Some(address.clone()),
            // Told to be left out.
            (_, Value::Object(members)) if members.contains_key("$undefined") => {}
            ("retryRateLimitedRequests", Value::Bool(on)) => settings.retry_rate_limited_request = *on,
            ("deviceUrlsBase", Value::String(domain)) => settings.device_urls_base = Some(domain.clone()),
            ("requestLimit", Value::Number(limit)) => {
                settings.request_limit = limit.as_u64().and_then(|n| NonZeroU32::new(u32::try_from(n).ok()?));
            }
            ("requestLimitInterval", Value::Number(ms)) => {
                settings.request_limit_interval = Duration::from_millis(ms.as_u64().unwrap_or(0));
            }
            ("requestBatchingChunkSize", size) => {
                let given = |size: &Value| NonZeroUsize::new(usize::try_from(size.as_u64()?).ok()?);
                let known = settings.request_batching_chunk_size;
                settings.request_batching_chunk_size = ChunkSize {
                    ids: given(size).or_else(|| given(&size["numericId"])).unwrap_or(known.ids),
                    names: given(size).or_else(|| given(&size["stringId"])).unwrap_or(known.names),
                };
            }
            _ => return Err(format!("setting {name}: {value}")),
        }
    }
    Ok(settings)
}

/// Makes the call that stands for a function of the JS SDK; `None` if there is none yet.
pub(crate) async fn call(balena: &Balena, case: &Case, function: &str, args: &Args) -> Option<Outcome> {
    let args = &without_undefined(args);
    macro_rules! families {
        ($($family:ident),*) => {$(
            if let Some(outcome) = Box::pin($family::call(balena, function, args)).await {
                return Some(outcome);
            }
        )*};
    }
    families!(auth, batch, billing, config, device, device_type, files, forms, logs, membership, os, team);
    // What the Python SDK has as well is called by the same arguments.
    let seed = case.seed().filter(|_| function == case.function)?;
    Box::pin(super::call(balena, seed, args)).await
}

/// An argument that was left out is none.
fn without_undefined(args: &Args) -> Args {
    let mut args = args.clone();
    args.positional.iter_mut().for_each(left_out);
    args
}

fn left_out(value: &mut Value) {
    match value {
        Value::Object(members) if members.contains_key("$undefined") => *value = Value::Null,
        Value::Object(members) => members.values_mut().for_each(left_out),
        Value::Array(items) => items.iter_mut().for_each(left_out),
        _ => {}
    }
}

/// What is promised of a case; `None` if it is not run.
///
/// # Errors
/// A row that no family has an expectation for.
pub(crate) fn expected(case: &Case, book: &Rulebook) -> Result<Option<Expected>, String> {
    let outcome = recorded(&case.outcome, outcomes::ended(case));
    let mut expected = Expected { exchange: case.exchange.clone(), outcome, after: case.after.clone() };
    patterns::apply(case, &mut expected);
    family(case)(case, book, &mut expected)?;
    Ok(Some(expected))
}

type Adjust = fn(&Case, &Rulebook, &mut Expected) -> Result<(), String>;

/// Where a function belongs, whatever file its cases stand in.
fn family(case: &Case) -> Adjust {
    let function = case.function.as_str();
    let below = |name: &str| function.starts_with(name);
    match function {
        // A token's age is about every call.
        _ if below("auth.") || case.has("J14") => auth::adjust,
        _ if below("logs.") => logs::adjust,
        _ if files::owns(function) => promised_files::adjust,
        _ if os::owns(function) => os::adjust,
        _ if batch::owns(function) => batch::adjust,
        _ if device::owns(function) => device::adjust,
        _ if below("models.billing.") => billing::adjust,
        _ if below("models.config.") => config::adjust,
        _ if below("models.team.") => team::adjust,
        _ if device_type::owns(function) => device_type::adjust,
        _ if function.contains(".membership.") => membership::adjust,
        _ => forms::adjust,
    }
}

/// An answer with rows, or with none.
pub(super) fn no_rows() -> Value {
    json!({ "d": [] })
}
