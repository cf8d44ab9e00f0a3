//! The target state that local mode is driven with (reference section 3.6).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::error::Error;

use super::call::{Call, Forceable, Spec};
use super::device::done;
use super::endpoint as e;
use super::link::Supervisor;

/// What the device is to become, as [`Supervisor::local_target_state`] reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TargetState {
    /// The local part.
    pub local: LocalTarget,
}

/// Name, settings and applications of a target state.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LocalTarget {
    /// Name of the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Device configuration, without the `BALENA_` prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<BTreeMap<String, String>>,
    /// Applications by id. When read, this is the supervisor's internal form, **with every service's
    /// variables and keys**; `Debug` shows the ids only.
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
    /// Reads the target state (`GET /v2/local/target-state`), in any mode.
    ///
    /// **The answer holds every secret of every service**: all variables, every `BALENA_API_KEY` and every
    /// `BALENA_SUPERVISOR_API_KEY`. For tools of local mode only: never log it, never hand it on. Nothing
    /// else in this library calls it.
    pub fn local_target_state(&self) -> Call<TargetState> {
        #[derive(Deserialize)]
        struct Target {
            state: TargetState,
        }
        Call::new(self, Ok(Spec::new(&e::TARGET_STATE, "/v2/local/target-state")), |answer| {
            answer.json().map(|Target { state }| state)
        })
    }

    /// Sets the target state of a device in local mode (`POST /v2/local/target-state`). A `config` without
    /// `SUPERVISOR_LOCAL_MODE: "1"` switches local mode **off**; one that is left out does so too, and is
    /// refused here for that reason.
    ///
    /// # Errors
    /// `is_rejected` (400) outside local mode, or for a state that the supervisor can't read.
    pub fn set_local_target_state(&self, target: &LocalTarget) -> Call<(), Forceable> {
        let spec = if target.config.is_none() {
            Err(Error::argument(
                "target",
                "without `config` the device would leave local mode; give one, if empty",
            ))
        } else {
            Ok(Spec::new(&e::SET_TARGET_STATE, "/v2/local/target-state").body(json!({ "local": target })))
        };
        Call::new(self, spec, done)
    }
}
