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
mod team;

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use balena_agent::{ApiVersion, Balena, ChunkSize, Settings};
use serde_json::{Map, Value, json};

pub(crate) use outcomes::recorded;

use super::args::{Args, Outcome};
use super::cases::{self, Case};
use super::quirks::Expected;
use super::rulebook::Rulebook;

/// Where the project's own copies lie.
pub(crate) fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/wire-js")
}

/// All cases of a folder, with what means the same in one form.
pub(crate) fn read(folder: &Path) -> Vec<Case> {
    let mut all = cases::read(folder);
    for case in &mut all {
        case.of_js = true;
        for exchange in &mut case.exchange {
            exchange.check.absent_is_null = true;
            // JS asks for a column twice where two parts of it want it.
            exchange.request.canonical_query.iter_mut().for_each(once);
            exchange.request.canonical_query.iter_mut().for_each(patterns::spaced);
        }
    }
    all
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
    let seed = case.seed.as_deref().filter(|_| function == case.function)?;
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
    let outcome = recorded(&case.outcome, case.exchange.last());
    let mut expected = Expected { exchange: case.exchange.clone(), outcome };
    patterns::apply(case, &mut expected);
    let family = match case.area.as_str() {
        _ if os::owns(&case.function) => os::adjust,
        _ if files::owns(&case.function) => files::adjust,
        "auth_js" => auth::adjust,
        "billing_js" => billing::adjust,
        "config_js" => config::adjust,
        "device_batch" => batch::adjust,
        "device_js" => device::adjust,
        "device_type_js" => device_type::adjust,
        "errors_js" | "release_asset" => files::adjust,
        "forms_js" => forms::adjust,
        "logs_js" => logs::adjust,
        "membership_js" => membership::adjust,
        "os_js" => os::adjust,
        "team" => team::adjust,
        other => return Err(format!("no family for {other}")),
    };
    family(case, book, &mut expected)?;
    Ok(Some(expected))
}

/// An answer with rows, or with none.
pub(super) fn no_rows() -> Value {
    json!({ "d": [] })
}
