//! From the recorded settings to typed ones.

use std::num::NonZeroU32;
use std::time::Duration;

use balena_agent::{ActionsVersion, ApiVersion, Settings};
use serde_json::{Map, Value};

/// The settings, or which of them has no typed form (rows Q35, Q55).
pub(crate) fn settings(recorded: &Map<String, Value>) -> Result<Settings, String> {
    let mut settings = Settings::default();
    for (name, value) in recorded {
        let refuse = || Err(format!("setting {name}: {value}"));
        match (name.as_str(), value) {
            // In memory, as our settings always are.
            ("data_directory", Value::Bool(false)) => {}
            ("balena_host", Value::String(host)) => settings.balena_host.clone_from(host),
            ("api_endpoint", Value::String(address)) => settings.api_endpoint = Some(address.clone()),
            ("api_version", Value::String(version)) => match version.as_str() {
                "v6" => settings.api_version = ApiVersion::V6,
                "v7" => settings.api_version = ApiVersion::V7,
                _ => return refuse(),
            },
            ("device_actions_endpoint_version", Value::String(version)) => match version.as_str() {
                "v1" => settings.device_actions_endpoint_version = Some(ActionsVersion::V1),
                "v2" => settings.device_actions_endpoint_version = Some(ActionsVersion::V2),
                _ => return refuse(),
            },
            ("retry_rate_limited_request", Value::Bool(on)) => settings.retry_rate_limited_request = *on,
            ("request_limit", Value::String(text)) => match text.parse::<NonZeroU32>() {
                Ok(limit) => settings.request_limit = Some(limit),
                Err(_) => return refuse(),
            },
            ("request_limit_interval", Value::String(text)) => match text.parse() {
                Ok(seconds) => settings.request_limit_interval = Duration::from_secs(seconds),
                Err(_) => return refuse(),
            },
            _ => return refuse(),
        }
    }
    Ok(settings)
}
