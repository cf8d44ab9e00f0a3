//! Where the cloud is and how it is spoken to.

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

/// Settings of the cloud side. [`Builder::settings`](crate::Builder::settings) takes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Domain of the cloud; `api.`, `builder.` and `dashboard.` go before it. An openBalena's own, or
    /// `balena-cloud.com`.
    pub balena_host: String,
    /// Base address of the API, where it is not `https://api.<balena_host>`. Without it, and without a host of
    /// your own, `BALENA_API_URL` of the environment counts.
    pub api_endpoint: Option<String>,
    /// Base address of the builder, where it is not beside the API: `https://builder.<balena_host>`.
    pub builder_url: Option<String>,
    /// Base address of the dashboard, where it is not beside the API: `https://dashboard.<balena_host>`.
    #[doc(alias = "dashboardUrl")]
    pub dashboard_url: Option<String>,
    /// Version of the API that resources are asked of. The few names and endpoints that the versions call
    /// differently follow it; the row types say which columns a version lacks.
    pub api_version: ApiVersion,
    /// Domain of the public URLs of devices; asked of the API where it is needed.
    pub device_urls_base: Option<String>,
    /// Version of the endpoints with which the host OS of devices is updated; by default the first with
    /// version 6 of the API, and the second, which lets updates run on their own, with version 7.
    pub device_actions_endpoint_version: Option<ActionsVersion>,
    /// The age at which a session token is exchanged for a new one, by the next request. API keys have no age.
    pub token_refresh_interval: Duration,
    /// For each try of a call, from the request to the end of the answer. Supervisor calls through the cloud
    /// have 60 s.
    pub timeout: Duration,
    /// How many requests may start within [`request_limit_interval`](Self::request_limit_interval), over all
    /// clones; `None` is no limit. The supervisor's calls do not count.
    pub request_limit: Option<NonZeroU32>,
    /// The time that [`request_limit`](Self::request_limit) is for.
    pub request_limit_interval: Duration,
    /// Whether a resource request that was refused as one too many (429) waits as many seconds as the server
    /// says and is sent again, for as long as that goes on.
    pub retry_rate_limited_request: bool,
    /// How many things one request of a change for many names at most.
    pub request_batching_chunk_size: ChunkSize,
}

/// How many things one request names at most, by what names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(alias = "requestBatchingChunkSize")]
pub struct ChunkSize {
    /// Ids: 200, some 2 KiB of address.
    #[doc(alias = "numericId")]
    pub ids: NonZeroUsize,
    /// Uuids and slugs, which are longer: 50.
    #[doc(alias = "stringId")]
    pub names: NonZeroUsize,
}

impl Default for ChunkSize {
    fn default() -> Self {
        Self { ids: NonZeroUsize::MIN.saturating_add(199), names: NonZeroUsize::MIN.saturating_add(49) }
    }
}

/// A version of the cloud API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ApiVersion {
    /// Version 6, which the Python SDK 14 speaks.
    V6,
    /// Version 7, which the JS SDK 23 speaks. Rows come with the names of that version, and a request for
    /// what it has no more is refused.
    V7,
}

impl ApiVersion {
    /// As in a path: `v6`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V6 => "v6",
            Self::V7 => "v7",
        }
    }
}

/// A version of the endpoints with which the host OS of devices is updated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ActionsVersion {
    /// The platform stays connected to the device for as long as the update runs.
    V1,
    /// The update runs on its own: it goes on when the connection is lost.
    V2,
}

impl ActionsVersion {
    /// As in a path: `v1`.
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
    /// Base address of the API, without a slash at its end.
    pub(crate) fn api(&self) -> String {
        match &self.api_endpoint {
            Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
            None => format!("https://api.{}", self.balena_host),
        }
    }

    /// Base address of the dashboard: its own, or beside an API of its own address, where that begins with
    /// `api.`.
    pub(crate) fn dashboard(&self) -> String {
        if let Some(address) = &self.dashboard_url {
            return address.trim_end_matches('/').to_owned();
        }
        self.beside_the_api("dashboard")
    }

    /// Base address of the builder, without a slash at its end. It gets the token too, so it is looked for
    /// where the dashboard is.
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
    /// `is_config`: what is wrong, by the setting's name.
    pub(crate) fn check(&self) -> Result<()> {
        self.fault().map_or(Ok(()), |(name, why)| {
            Err(Error::new(ErrorKind::Config, format!("setting {name}: {why}")))
        })
    }

    /// The first setting that is wrong, and what it has to be.
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
