//! The current settings, and how a change affects them.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};

use crate::checks;
use crate::error::{Error, ErrorKind, Result};

use super::Settings;
use super::file::{FileVersion, SettingsFile};
use super::ini::{self, Document};
use super::values::{Setting, TOKEN, Values};

/// Settings that the Python SDK requires in a file. If one is missing, the SDK writes a new file without the token.
const REQUIRED_SETTINGS: [&str; 11] = [
    "builder_url",
    "pine_endpoint",
    "api_endpoint",
    "api_version",
    "data_directory",
    "image_cache_time",
    "token_refresh_interval",
    "cache_directory",
    "timeout",
    "device_actions_endpoint_version",
    "retry_rate_limited_request",
];

/// The current settings.
pub(super) struct State {
    /// All settings if they are in memory; otherwise those of the file.
    pub(super) kept: Values,
    /// Settings given to the constructor. They override the file's and are not written to it.
    pub(super) asked_for: Values,
    pub(super) typed: Arc<Settings>,
    /// Incremented when the token may have changed.
    pub(super) epoch: u64,
    /// Identity of the file when last read or written. `None` if it never was.
    pub(super) seen: Option<FileVersion>,
    pub(super) open: bool,
    /// Token given to the constructor, to be written when the file is first read.
    pub(super) login: Option<SecretString>,
    /// Problem with the file's values. Reported once rather than before each request.
    pub(super) complaint: Option<String>,
}

/// Effect of a change on the login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Login {
    Same,
    Another,
}

impl State {
    pub(super) fn get(&self, name: &str) -> Option<&Setting> {
        self.asked_for.get(name).or_else(|| self.kept.get(name))
    }

    pub(super) fn token(&self) -> Option<&SecretString> {
        match self.kept.get(TOKEN) {
            // An empty value is not a login.
            Some(Setting::Secret(token)) if !token.expose_secret().is_empty() => Some(token),
            _ => None,
        }
    }

    pub(super) fn would_take(&self, name: &str, value: &Setting) -> Result<()> {
        let mut typed = (*self.typed).clone();
        let refused = typed.take(name.trim(), value).err().or_else(|| typed.fault().map(|(_, why)| why));
        refused.map_or(Ok(()), |why| Err(Error::argument("value", format!("setting {}: {why}", name.trim()))))
    }

    /// Takes over the values of a file.
    pub(super) fn load(
        &mut self,
        given: &Settings,
        kept: Values,
        seen: Option<FileVersion>,
        file: &SettingsFile,
    ) -> Result<()> {
        let mut typed = given.clone();
        let mut counting = kept.clone();
        for (name, _) in self.asked_for.iter() {
            counting.remove(name);
        }
        take_all(&mut typed, &counting, file)?;
        if let Some((name, why)) = typed.fault() {
            return Err(wrong(file, name, why));
        }
        if token(&kept) != token(&self.kept) {
            self.epoch += 1;
        }
        if ["api_endpoint", "api_version"].iter().any(|name| self.asked_for.get(name).is_some()) {
            let pine = format!("{}/{}/", typed.api(), typed.api_version.as_str());
            self.asked_for.set("pine_endpoint", pine.into());
        }
        self.kept = kept;
        self.typed = Arc::new(settled(typed));
        self.seen = seen;
        Ok(())
    }

    /// Takes over values changed by this client; `name` is the changed setting.
    pub(super) fn apply(&mut self, name: &str, kept: Values, login: Login) {
        let mut typed = (*self.typed).clone();
        self.asked_for.remove(name);
        for (other, value) in kept.iter() {
            let old = self.kept.get(other).filter(|_| !other.eq_ignore_ascii_case(name.trim()));
            // Another process may have written an invalid value.
            if old.is_none_or(|old| old.expose() != value.expose())
                && self.asked_for.get(other).is_none()
                && let Err(why) = typed.take(other, value)
            {
                tracing::warn!(name = other, why, "an invalid setting is ignored");
            }
        }
        for (other, _) in self.kept.iter().filter(|(other, _)| kept.get(other).is_none()) {
            typed.forget(other);
        }
        if kept.get(name).is_none() {
            typed.forget(name.trim());
        }
        self.kept = kept;
        self.typed = Arc::new(typed);
        if login == Login::Another {
            self.epoch += 1;
        }
    }
}

impl Document {
    pub(super) fn with(mut self, kept: &Values) -> Self {
        self.pairs = kept.iter().map(|(name, value)| (ini::name(name), value.expose().to_owned())).collect();
        self
    }
}

impl Values {
    pub(super) fn same(&self, other: &Self) -> bool {
        let plain = |(name, value): (_, &Setting)| (name, value.expose().to_owned());
        self.iter().map(plain).eq(other.iter().map(plain))
    }

    pub(super) fn add_directories(&mut self, file: &SettingsFile) {
        self.set("data_directory", file.directory.display().to_string().into());
        self.set("cache_directory", file.directory.join("cache").display().to_string().into());
    }
}

pub(super) fn values(document: &Document) -> Values {
    document.pairs.iter().map(|(name, text)| (name.clone(), Setting::read(name, text.clone()))).collect()
}

/// Checks a token, and removes the trailing line break of a token read from a file.
pub(crate) fn checked(token: &SecretString) -> Result<SecretString> {
    let text = token.expose_secret().trim();
    if text.is_empty() {
        return Err(Error::argument("token", "it is empty"));
    }
    checks::token("token", text).map(|()| text.into())
}

pub(super) fn is_whole(values: &Values) -> bool {
    REQUIRED_SETTINGS.iter().all(|name| values.get(name).is_some())
}

pub(super) fn token(values: &Values) -> Option<&str> {
    values.get(TOKEN).map(Setting::expose)
}

/// Makes derived addresses and endpoint versions explicit, so that a later change of host or version does not affect
/// them.
pub(super) fn settled(mut settings: Settings) -> Settings {
    settings.api_endpoint = Some(settings.api());
    settings.builder_url = Some(settings.builder());
    settings.device_actions_endpoint_version = Some(settings.actions_version());
    settings
}

fn take_all(settings: &mut Settings, values: &Values, file: &SettingsFile) -> Result<()> {
    for (name, value) in values.iter() {
        settings.take(name, value).map_err(|why| wrong(file, name, why))?;
    }
    Ok(())
}

fn wrong(file: &SettingsFile, name: &str, why: &str) -> Error {
    Error::new(ErrorKind::Config, format!("setting {name}: {why}"))
        .with_operation(format!("read {}", file.path().display()))
        .with_help("correct the line, or remove it")
}

/// Adds the settings that the Python SDK requires. Returns whether any was missing.
pub(super) fn complete(file: &SettingsFile, kept: &mut Values) -> Result<bool> {
    if is_whole(kept) {
        return Ok(false);
    }
    let mut own = Settings::default();
    take_all(&mut own, kept, file)?;
    let mut usual = Values::of(&own);
    usual.add_directories(file);
    for (name, value) in usual.iter() {
        if kept.get(name).is_none() {
            kept.set(name, value.clone());
        }
    }
    Ok(true)
}
