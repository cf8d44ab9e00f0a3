//! Faults in the settings, and the list of those that a running service has.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// A fault in the settings. Never contains a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Fault {
    /// The variable, e.g. `AGENT_LISTEN`.
    pub(crate) setting: String,
    /// What is wrong and what would be right, with the name and an example.
    #[serde(rename = "fault")]
    pub(crate) text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The faults that a running service works with, in `/ready`: those of the settings, and one for each setting that
/// turned out not to work as asked.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    list: Mutex<Vec<Fault>>,
}

impl Faults {
    /// Returns the faults of the settings as the list.
    pub(crate) fn new(list: Vec<Fault>) -> Self {
        Self { list: Mutex::new(list) }
    }

    fn list(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the fault of a setting, instead of an earlier one of the same setting. Logs it if it is new.
    pub(crate) fn set(&self, setting: &str, text: String) {
        let fault = Fault { setting: setting.to_owned(), text };
        let mut list = self.list();
        if list.contains(&fault) {
            return;
        }
        list.retain(|known| known.setting != setting);
        tracing::warn!(setting, "{fault}");
        list.push(fault);
    }

    /// Returns all faults.
    pub(crate) fn all(&self) -> Vec<Fault> {
        self.list().clone()
    }
}
