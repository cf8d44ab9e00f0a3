//! Settings as names and values, as the SDKs store them.

use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::{ActionsVersion, ApiVersion, Settings};

/// Name of the setting that holds the session token or API key.
pub(crate) const TOKEN: &str = "token";

/// The value of a setting.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Setting {
    /// A boolean.
    Flag(bool),
    /// Text. Numbers are text too.
    Text(String),
    /// The token. `Debug` redacts it.
    Secret(SecretString),
}

impl Setting {
    /// Returns the value as text: **in clear text if it is the token**.
    pub fn expose(&self) -> &str {
        match self {
            Self::Flag(true) => "true",
            Self::Flag(false) => "false",
            Self::Text(text) => text,
            Self::Secret(secret) => secret.expose_secret(),
        }
    }

    /// Parses a value of a file.
    pub(super) fn read(name: &str, text: String) -> Self {
        match text.as_str() {
            _ if name.eq_ignore_ascii_case(TOKEN) => Self::Secret(text.into()),
            "true" => Self::Flag(true),
            "false" => Self::Flag(false),
            _ => Self::Text(text),
        }
    }
}

impl From<bool> for Setting {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<String> for Setting {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Setting {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<SecretString> for Setting {
    fn from(secret: SecretString) -> Self {
        Self::Secret(secret)
    }
}

/// Names and values, in order. Lookups ignore case.
#[derive(Debug, Clone, Default)]
pub(super) struct Values(Vec<(String, Setting)>);

/// The names must differ; this avoids a search for each.
impl FromIterator<(String, Setting)> for Values {
    fn from_iter<I: IntoIterator<Item = (String, Setting)>>(all: I) -> Self {
        Self(all.into_iter().collect())
    }
}

impl Values {
    pub(super) fn get(&self, name: &str) -> Option<&Setting> {
        let mut all = self.iter();
        all.find(|(own, _)| own.eq_ignore_ascii_case(name.trim())).map(|(_, value)| value)
    }

    pub(super) fn set(&mut self, name: &str, value: Setting) {
        match self.0.iter_mut().find(|(own, _)| own.eq_ignore_ascii_case(name.trim())) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.trim().to_owned(), value)),
        }
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.0.retain(|(own, _)| !own.eq_ignore_ascii_case(name.trim()));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Setting)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Returns the names and values of typed settings, in the order of the SDK's file.
    pub(super) fn of(settings: &Settings) -> Self {
        let text = |text: &dyn fmt::Display| Setting::Text(text.to_string());
        let mut values = Self::default();
        let mut add = |name: &str, value: Setting| values.0.push((name.to_owned(), value));
        let version = settings.api_version;
        add("balena_host", text(&settings.balena_host));
        add("api_version", text(&version.as_str()));
        add("device_actions_endpoint_version", text(&settings.actions_version().as_str()));
        // The SDK requires it in a file but does not use it.
        add("image_cache_time", "604800000".into());
        add("token_refresh_interval", text(&settings.token_refresh_interval.as_millis()));
        add("timeout", text(&settings.timeout.as_millis()));
        if let Some(limit) = settings.request_limit {
            add("request_limit", text(&limit));
        }
        add("request_limit_interval", text(&settings.request_limit_interval.as_secs()));
        add("retry_rate_limited_request", settings.retry_rate_limited_request.into());
        add("builder_url", format!("{}/", settings.builder()).into());
        add("api_endpoint", format!("{}/", settings.api()).into());
        add("pine_endpoint", format!("{}/{}/", settings.api(), version.as_str()).into());
        values
    }

    /// Returns the values that differ from the defaults.
    pub(super) fn asked_for(settings: &Settings) -> Self {
        let usual = Self::of(&Settings::default());
        let mut values = Self::of(settings);
        values.0.retain(|(name, value)| usual.get(name).is_none_or(|usual| usual.expose() != value.expose()));
        // Derived from others: see `State::take_over`.
        values.remove("pine_endpoint");
        values
    }
}

impl Settings {
    /// Sets the typed setting with this name. Ignores unknown names.
    ///
    /// # Errors
    /// What the value must be.
    pub(super) fn take(&mut self, name: &str, value: &Setting) -> Result<(), &'static str> {
        let text = value.expose().trim();
        let number = || text.parse::<u64>().map_err(|_| "it has to be a whole number");
        match name.to_ascii_lowercase().as_str() {
            "balena_host" => text.clone_into(&mut self.balena_host),
            "api_endpoint" => self.api_endpoint = Some(text.to_owned()),
            "builder_url" => self.builder_url = Some(text.to_owned()),
            "api_version" => {
                let versions = [ApiVersion::V6, ApiVersion::V7];
                let known = versions.into_iter().find(|version| version.as_str() == text);
                self.api_version = known.ok_or("it has to be v6 or v7")?;
            }
            "device_actions_endpoint_version" => {
                let versions = [ActionsVersion::V1, ActionsVersion::V2];
                let known = versions.into_iter().find(|version| version.as_str() == text);
                self.device_actions_endpoint_version = Some(known.ok_or("it has to be v1 or v2")?);
            }
            "token_refresh_interval" => self.token_refresh_interval = Duration::from_millis(number()?),
            "timeout" => self.timeout = Duration::from_millis(number()?),
            "request_limit" => {
                let limit = text.parse().map_err(|_| "it has to be a whole number above zero")?;
                self.request_limit = Some(limit);
            }
            "request_limit_interval" => self.request_limit_interval = Duration::from_secs(number()?),
            "retry_rate_limited_request" => {
                self.retry_rate_limited_request =
                    text.to_ascii_lowercase().parse().map_err(|_| "it has to be true or false")?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Resets the setting with this name to its default.
    pub(super) fn forget(&mut self, name: &str) {
        let usual = Self::default();
        match name.to_ascii_lowercase().as_str() {
            "balena_host" => self.balena_host = usual.balena_host,
            "api_endpoint" => self.api_endpoint = None,
            "builder_url" => self.builder_url = None,
            "api_version" => self.api_version = usual.api_version,
            "device_actions_endpoint_version" => self.device_actions_endpoint_version = None,
            "token_refresh_interval" => self.token_refresh_interval = usual.token_refresh_interval,
            "timeout" => self.timeout = usual.timeout,
            "request_limit" => self.request_limit = None,
            "request_limit_interval" => self.request_limit_interval = usual.request_limit_interval,
            "retry_rate_limited_request" => {
                self.retry_rate_limited_request = usual.retry_rate_limited_request;
            }
            _ => {}
        }
    }
}
