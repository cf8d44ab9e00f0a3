//! A fault in the settings.

#![allow(dead_code, reason = "made by the parsing of the settings, next commit")]

use std::fmt;

use serde::Serialize;

/// A fault in the settings, with the setting that it is in. Never contains a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Fault {
    /// The variable, e.g. `AGENT_LISTEN`.
    pub(crate) setting: String,
    /// What is wrong and what would be right: a clause that follows the name, e.g. `is "x": it has to be …, e.g. …`.
    #[serde(rename = "fault")]
    pub(crate) text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.setting, self.text)
    }
}
