//! The settings as `config show` and `run --help` print them.

use std::fmt::Write as _;

use serde::Serialize;

use super::clients;
use super::table::{ClientPart, Kind, SETTINGS, Setting};
use super::{Config, Origin};
use crate::service::scope::Scopes;

/// What is shown of a value that is or could be a secret.
const MASK: &str = "***";

/// A setting with its value.
#[derive(Debug, Serialize)]
pub(crate) struct ShownSetting {
    name: String,
    /// The value as given, else the default; `None` if there is neither. Secrets are masked.
    value: Option<String>,
    /// `default`, `variable` or `flag`.
    origin: &'static str,
    #[serde(rename = "type")]
    type_text: &'static str,
    /// `None` if no literal value counts without the variable.
    default: Option<&'static str>,
    range: Option<String>,
    secret: bool,
    what: &'static str,
    since: &'static str,
}

/// Returns all settings, and after each one of a client those of the clients.
pub(crate) fn shown(config: &Config) -> Vec<ShownSetting> {
    let mut all = Vec::new();
    for setting in SETTINGS {
        all.push(one(config, setting, setting.name));
        let Kind::Client(part) = setting.kind else { continue };
        let names = config.given.keys();
        let own = names.filter(|name| clients::part_of(name).is_some_and(|(_, other)| other == part));
        all.extend(own.map(|name| one(config, setting, name)));
    }
    all
}

fn one(config: &Config, setting: &'static Setting, name: &str) -> ShownSetting {
    let given = config.text(name);
    let default = Some(setting.default).filter(|default| !default.is_empty());
    let value = match (given, &setting.kind) {
        (None, _) => default.map(str::to_owned),
        (Some(_), _) if setting.is_secret() => Some(MASK.to_owned()),
        // A token in the wrong variable.
        (Some(text), Kind::Client(ClientPart::Scopes)) if Scopes::parse(text).is_err() => {
            Some(MASK.to_owned())
        }
        (Some(text), _) => Some(text.to_owned()),
    };
    let origin = config.given.get(name).map_or(Origin::Default, |given| given.origin);
    ShownSetting {
        name: name.to_owned(),
        value,
        origin: origin.as_str(),
        type_text: setting.type_text(),
        default,
        range: Some(setting.range_text()).filter(|range| !range.is_empty()),
        secret: setting.is_secret(),
        what: setting.what,
        since: setting.since,
    }
}

impl Origin {
    fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Variable => "variable",
            Self::Flag => "flag",
        }
    }
}

/// Returns the list of variables in the help text of `run`.
pub(crate) fn help() -> String {
    let mut text = String::from("Variables:");
    for Setting { name, default, what, .. } in SETTINGS {
        let _ = write!(text, "\n  {name}\n          {}", what.replace('`', ""));
        if !default.is_empty() {
            let _ = write!(text, " [default: {default}]");
        }
    }
    text
}
