//! The supervisor's database: configuration, targets and commits. It survives restarts.

use std::collections::BTreeMap;
use std::time::Duration;

use super::js_values;

/// Default poll interval.
const POLL_INTERVAL: Duration = Duration::from_secs(15 * 60);

/// The target of an app.
#[derive(Debug, Clone)]
pub(super) struct TargetApp {
    pub(super) id: i64,
    pub(super) uuid: String,
    pub(super) name: String,
    pub(super) release: Option<TargetRelease>,
}

#[derive(Debug, Clone)]
pub(super) struct TargetRelease {
    pub(super) id: i64,
    pub(super) commit: String,
    pub(super) services: Vec<TargetService>,
}

#[derive(Debug, Clone)]
pub(super) struct TargetService {
    pub(super) name: String,
    pub(super) id: i64,
    pub(super) image_id: i64,
    pub(super) image: String,
    /// Variables that the supervisor sets.
    pub(super) env: BTreeMap<String, String>,
    /// Variables of the cloud. One that the supervisor sets itself has no effect.
    pub(super) variables: BTreeMap<String, String>,
    pub(super) volumes: Vec<String>,
    pub(super) host_network: bool,
}

/// The database.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) name: String,
    /// Configuration variables, without prefix.
    pub(super) config: BTreeMap<String, String>,
    /// The target of the cloud.
    pub(super) target: Vec<TargetApp>,
    /// The target of a developer, in local mode.
    pub(super) local_target: Vec<TargetApp>,
    /// The commit that each app has reached.
    pub(super) commits: BTreeMap<i64, String>,
}

impl Settings {
    /// Returns a variable by its name without prefix.
    fn variable(&self, name: &str) -> Option<&str> {
        self.config.get(name).map(String::as_str)
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        let name = ["BALENA_", "RESIN_"].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
        self.config.insert(name.to_owned(), value.to_owned());
    }

    fn flag(&self, name: &str, otherwise: bool) -> bool {
        self.variable(name).map_or(otherwise, js_values::truthy_text)
    }

    pub(super) fn local_mode(&self) -> bool {
        self.flag("SUPERVISOR_LOCAL_MODE", false)
    }

    pub(super) fn instant_updates(&self) -> bool {
        self.flag("SUPERVISOR_INSTANT_UPDATE_TRIGGER", true)
    }

    /// Whether every operation acts as if forced.
    pub(super) fn lock_override(&self) -> bool {
        self.flag("SUPERVISOR_OVERRIDE_LOCK", false) || self.flag("OVERRIDE_LOCK", false)
    }

    pub(super) fn connectivity_check(&self) -> bool {
        self.flag("SUPERVISOR_CONNECTIVITY_CHECK", true)
    }

    /// Whether the journal survives a boot.
    pub(super) fn persistent_logging(&self) -> bool {
        self.flag("SUPERVISOR_PERSISTENT_LOGGING", false)
    }

    pub(super) fn vpn(&self, otherwise: bool) -> bool {
        self.flag("SUPERVISOR_VPN_CONTROL", otherwise)
    }

    pub(super) fn poll_interval(&self) -> Duration {
        self.variable("SUPERVISOR_POLL_INTERVAL")
            .and_then(|value| value.parse().ok())
            .map_or(POLL_INTERVAL, Duration::from_millis)
    }

    /// Returns the target apps: those of the developer in local mode, else those of the cloud.
    pub(super) fn wanted(&self) -> &[TargetApp] {
        if self.local_mode() { &self.local_target } else { &self.target }
    }
}
