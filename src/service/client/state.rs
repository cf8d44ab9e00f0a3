//! The state of the service and of the device.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::Result;

use super::Client;
use super::call::Call;

/// The state of the service and of the device (`GET /agent/v1/state`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServiceState {
    /// Version of the agent.
    pub version: String,
    /// When the agent started.
    pub started: Timestamp,
    /// Seconds since then.
    pub uptime_seconds: u64,
    /// Whether the state of the device is known.
    pub ready: bool,
    /// The connection to the supervisor.
    pub supervisor: SupervisorConnection,
    /// Everything else: `device`, `applications`, `tasks` …
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// The service's connection to the supervisor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SupervisorConnection {
    /// `connecting`, `connected`, `lost` or `refused`.
    pub state: String,
    /// When this state began.
    pub since: Timestamp,
    /// Everything else: `address`, `last_contact`, `last_error` …
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// Whether the service is ready, and why it is not (`GET /ready`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Readiness {
    /// `ok` or `unavailable`.
    pub status: String,
    /// Why it is not `ok`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Faults in the settings; told on loopback only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<SettingFault>,
}

/// A fault in the settings of the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SettingFault {
    /// The variable.
    pub setting: String,
    /// What is wrong, and what would be right.
    pub fault: String,
}

impl Readiness {
    /// Returns whether the service is ready.
    pub fn is_ready(&self) -> bool {
        self.status == "ok"
    }
}

impl Client {
    /// Returns the state of the service and of the device.
    ///
    /// # Errors
    /// `is_unauthorized` without the scope `state`; `is_server` if the service is parked; the errors of
    /// [`health`](Self::health).
    pub async fn state(&self) -> Result<ServiceState> {
        self.call(Call::get("/agent/v1/state")).await
    }

    /// Returns whether the service is ready, and why it is not. No scope is needed.
    ///
    /// # Errors
    /// The errors of [`health`](Self::health), except that an answer that says no is no error.
    pub async fn ready(&self) -> Result<Readiness> {
        self.call(Call::get("/ready").accepts(503)).await
    }
}
