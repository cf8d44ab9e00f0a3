//! The target state of a device in local mode (reference section 3.6).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::error::Error;

use super::call::{Call, ForceOptions};
use super::client::Supervisor;
use super::endpoint as e;
use super::request::RequestSpec;
use super::response::done;

/// The target state, as returned by [`Supervisor::local_target_state`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TargetState {
    /// The local part.
    pub local: LocalTarget,
}

/// Name, configuration and applications of a target state.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LocalTarget {
    /// Name of the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Device configuration, without the `BALENA_` prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<BTreeMap<String, String>>,
    /// Applications by id. When read, this is the supervisor's internal format, **including the variables and keys of
    /// every service**; `Debug` shows only the ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apps: Option<Map<String, Value>>,
}

impl fmt::Debug for LocalTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalTarget")
            .field("name", &self.name)
            .field("config", &self.config)
            .field("apps", &self.apps.as_ref().map(|apps| apps.keys().collect::<Vec<_>>()))
            .finish()
    }
}

impl Supervisor {
    /// Returns the target state (`GET /v2/local/target-state`), in any mode.
    ///
    /// **The response contains every secret of every service**: all variables, every `BALENA_API_KEY` and every
    /// `BALENA_SUPERVISOR_API_KEY`. Only for local-mode tools: never log it or pass it on. No other function of this
    /// library calls it.
    pub fn local_target_state(&self) -> Call<TargetState> {
        #[derive(Deserialize)]
        struct Target {
            state: TargetState,
        }
        Call::new(self, Ok(RequestSpec::new(&e::TARGET_STATE, "/v2/local/target-state")), |answer| {
            answer.json().map(|Target { state }| state)
        })
    }

    /// Sets the target state of a device in local mode (`POST /v2/local/target-state`). A `config` without
    /// `SUPERVISOR_LOCAL_MODE: "1"` switches local mode **off**. An absent `config` would do so too, so it is
    /// rejected here.
    ///
    /// # Errors
    /// `is_rejected` (400) outside local mode, or for a state that the supervisor can't parse.
    pub fn set_local_target_state(&self, target: &LocalTarget) -> Call<(), ForceOptions> {
        let spec = if target.config.is_none() {
            Err(Error::argument(
                "target",
                "without `config` the device would leave local mode; set one, even an empty one",
            ))
        } else {
            Ok(RequestSpec::new(&e::SET_TARGET_STATE, "/v2/local/target-state")
                .body(json!({ "local": target })))
        };
        Call::new(self, spec, done)
    }
}
