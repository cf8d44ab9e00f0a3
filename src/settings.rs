//! Settings of the API client: addresses, version, limits, timeouts.

mod file;
mod ini;
mod state;
mod store;
mod values;

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use crate::checks;
use crate::error::{Error, ErrorKind, Result};

pub(crate) use file::SettingsFile;
pub(crate) use state::checked as checked_token;
pub use store::SettingsStore;
pub use values::Setting;

/// Settings of the API client. Pass them to [`Builder::settings`](crate::Builder::settings).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Domain to which `api.`, `builder.` and `dashboard.` are prefixed: `balena-cloud.com` by default, or the
    /// domain of an openBalena.
    pub balena_host: String,
    /// Base address of the API. Default: `BALENA_API_URL` of the environment if `balena_host` is the default,
    /// otherwise `https://api.<balena_host>`.
    pub api_endpoint: Option<String>,
    /// Base address of the builder. Default: next to the API if its address starts with `api.`, otherwise
    /// `https://builder.<balena_host>`.
    pub builder_url: Option<String>,
    /// Base address of the dashboard. Default: next to the API if its address starts with `api.`, otherwise
    /// `https://dashboard.<balena_host>`.
    #[doc(alias = "dashboardUrl")]
    pub dashboard_url: Option<String>,
    /// Version of the API. Names and endpoints that differ between the versions follow it. The row types document
    /// the columns that a version lacks.
    pub api_version: ApiVersion,
    /// Domain of the public URLs of devices. By default it is requested from the API when needed.
    pub device_urls_base: Option<String>,
    /// Version of the endpoints that update the host OS of devices. Default: version 1 with version 6 of the API;
    /// version 2, whose updates do not need a connection, with version 7.
    pub device_actions_endpoint_version: Option<ActionsVersion>,
    /// Age at which the next request exchanges a session token for a new one. API keys are never exchanged.
    pub token_refresh_interval: Duration,
    /// Timeout of each attempt of a call, from the request to the end of the response. Supervisor calls through the
    /// cloud have 60 s.
    pub timeout: Duration,
    /// Number of requests that may start within [`request_limit_interval`](Self::request_limit_interval), over all
    /// clones. `None`: no limit. Calls to the supervisor do not count.
    pub request_limit: Option<NonZeroU32>,
    /// Interval of [`request_limit`](Self::request_limit).
    pub request_limit_interval: Duration,
    /// Whether a resource request with the status 429 waits for as long as the response's `Retry-After` asks and is
    /// sent again, without a limit on retries.
    pub retry_rate_limited_request: bool,
    /// Highest number of keys in one request of a batch.
    pub request_batching_chunk_size: ChunkSize,
}

/// Highest number of keys in one request, by their type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(alias = "requestBatchingChunkSize")]
pub struct ChunkSize {
    /// Number of ids: 200 by default, about 2 KiB of URL.
    #[doc(alias = "numericId")]
    pub ids: NonZeroUsize,
    /// Number of uuids or slugs, which are longer: 50 by default.
    #[doc(alias = "stringId")]
    pub names: NonZeroUsize,
}

impl Default for ChunkSize {
    fn default() -> Self {
        Self { ids: NonZeroUsize::MIN.saturating_add(199), names: NonZeroUsize::MIN.saturating_add(49) }
    }
}

/// A version of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ApiVersion {
    /// Version 6, which the Python SDK 14 uses.
    V6,
    /// Version 7, which the JS SDK 23 uses. Rows have the names of that version. A request for a column or resource
    /// that it lacks is an error.
    V7,
}

impl ApiVersion {
    /// Returns the version as a path segment: `v6`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V6 => "v6",
            Self::V7 => "v7",
        }
    }
}

/// A version of the endpoints that update the host OS of devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ActionsVersion {
    /// The update needs a connection between the platform and the device throughout.
    V1,
    /// The update runs on the device and survives a lost connection.
    V2,
}

impl ActionsVersion {
    /// Returns the version as a path segment: `v1`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            balena_host: "balena-cloud.com".into(),
            api_endpoint: None,
            builder_url: None,
            dashboard_url: None,
            api_version: ApiVersion::V6,
            device_urls_base: None,
            device_actions_endpoint_version: None,
            token_refresh_interval: Duration::from_secs(60 * 60),
            timeout: Duration::from_secs(30),
            request_limit: None,
            request_limit_interval: Duration::from_secs(60),
            retry_rate_limited_request: false,
            request_batching_chunk_size: ChunkSize::default(),
        }
    }
}

impl Settings {
    /// Returns the base address of the API, without a trailing slash.
    pub(crate) fn api(&self) -> String {
        match &self.api_endpoint {
            Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
            None => format!("https://api.{}", self.balena_host),
        }
    }

    /// Returns the base address of the dashboard: the setting, or next to the API if its address is set and starts
    /// with `api.`.
    pub(crate) fn dashboard(&self) -> String {
        if let Some(address) = &self.dashboard_url {
            return address.trim_end_matches('/').to_owned();
        }
        self.beside_the_api("dashboard")
    }

    /// Returns the base address of the builder, without a trailing slash. Chosen like the dashboard's, because the
    /// builder receives the token too.
    pub(crate) fn builder(&self) -> String {
        match &self.builder_url {
            Some(address) => address.trim_end_matches('/').to_owned(),
            None => self.beside_the_api("builder"),
        }
    }

    fn beside_the_api(&self, name: &str) -> String {
        let own = self.api_endpoint.as_deref().and_then(|endpoint| {
            let (scheme, rest) = endpoint.split_once("://")?;
            let authority = rest.split('/').next().unwrap_or_default();
            Some(format!("{scheme}://{name}.{}", authority.strip_prefix("api.")?))
        });
        own.unwrap_or_else(|| format!("https://{name}.{}", self.balena_host))
    }

    pub(crate) fn actions_version(&self) -> ActionsVersion {
        self.device_actions_endpoint_version.unwrap_or(match self.api_version {
            ApiVersion::V6 => ActionsVersion::V1,
            ApiVersion::V7 => ActionsVersion::V2,
        })
    }

    /// # Errors
    /// `is_config`, naming the first invalid setting.
    pub(crate) fn check(&self) -> Result<()> {
        self.fault().map_or(Ok(()), |(name, why)| {
            Err(Error::new(ErrorKind::Config, format!("setting {name}: {why}")))
        })
    }

    /// Returns the first invalid setting and the reason.
    fn fault(&self) -> Option<(&'static str, &'static str)> {
        let bad = |c: char| c.is_whitespace() || c.is_control() || "/?#@".contains(c);
        if self.balena_host.is_empty() || self.balena_host.contains(bad) {
            return Some(("balena_host", "it has to be a domain such as balena-cloud.com"));
        }
        if !self.api_endpoint.as_deref().is_none_or(is_address) {
            return Some((
                "api_endpoint",
                "it has to look like https://api.balena-cloud.com, and so has BALENA_API_URL",
            ));
        }
        if !self.builder_url.as_deref().is_none_or(is_address) {
            return Some(("builder_url", "it has to look like https://builder.balena-cloud.com"));
        }
        if !self.dashboard_url.as_deref().is_none_or(is_address) {
            return Some(("dashboard_url", "it has to look like https://dashboard.balena-cloud.com"));
        }
        if self.timeout.is_zero() {
            return Some(("timeout", "it is zero"));
        }
        None
    }
}

fn is_address(text: &str) -> bool {
    checks::base_address(text).is_ok_and(|address| matches!(address.scheme_str(), Some("http" | "https")))
}
