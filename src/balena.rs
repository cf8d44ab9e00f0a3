//! The client, and its builder.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrecy::SecretString;

use crate::api::device::Devices;
use crate::auth::Auth;
use crate::checks;
use crate::clock::{Clock, SystemClock};
use crate::core::{Core, Credential};
use crate::env::Environment;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{
    HttpClient, PlainHttpPolicy, RateLimiter, ReqwestTransport, RetryBudget, RetryPolicy, RootCertificates,
    Transport, TransportConfig, is_exposed, plain_http_error,
};
use crate::settings::{Settings, SettingsFile, SettingsStore, checked_token};
use crate::supervisor::{Supervisor, UpdateLock};

/// A client of the supervisor of this device and of the API.
///
/// Clones are cheap and share connections, settings and login. Nothing is sent before a request is awaited.
#[derive(Debug, Clone)]
pub struct Balena(Arc<Core>);

impl Balena {
    /// Creates a client from the process's environment. On a device this is sufficient.
    ///
    /// # Errors
    /// `is_config` if a `BALENA_*` variable is malformed. A missing variable is an error of the first call that
    /// needs it.
    pub fn from_env() -> Result<Self> {
        Ok(Self::builder().environment(Environment::from_process()?).build())
    }

    /// Starts a builder with an empty environment: no key, no proxy, and only the public certificate authorities,
    /// until [`Builder::environment`] sets one.
    pub fn builder() -> Builder {
        Builder {
            env: Environment::default(),
            patience: None,
            settings: Settings::default(),
            token: None,
            data_directory: DataDirectory::None,
            proxy: None,
            authorities: Vec::new(),
            retry: RetryPolicy::standard(),
            transport: None,
            clock: Arc::new(SystemClock),
            plain_http: PlainHttpPolicy::Refused,
        }
    }

    /// Returns the functions of devices, with the names of the SDKs. Functions of this device use its supervisor.
    pub fn device(&self) -> Devices {
        Devices::new(self.0.clone())
    }

    /// Returns the functions of applications (fleets), their tags, variables, members and invites.
    pub fn application(&self) -> crate::api::application::Applications {
        crate::api::application::Applications::new(&self.0)
    }

    /// Returns the functions of device types.
    pub fn device_type(&self) -> crate::api::device_type::DeviceTypes {
        crate::api::device_type::DeviceTypes::new(&self.0)
    }

    /// Returns the functions of API keys.
    pub fn api_key(&self) -> crate::api::api_key::ApiKeys {
        crate::api::api_key::ApiKeys::new(&self.0)
    }

    /// Returns the functions of the host OS: versions, updates, images and configuration.
    pub fn os(&self) -> crate::api::os::DeviceOs {
        crate::api::os::DeviceOs::new(&self.0)
    }

    /// Returns the functions of the user's SSH keys.
    pub fn key(&self) -> crate::api::ssh_key::SshKeys {
        crate::api::ssh_key::SshKeys::new(&self.0)
    }

    /// Returns the functions of organizations, their members and invites.
    pub fn organization(&self) -> crate::api::organization::Organizations {
        crate::api::organization::Organizations::new(&self.0)
    }

    /// Returns the functions of teams, their members and their access to applications.
    pub fn team(&self) -> crate::api::team::Teams {
        crate::api::team::Teams::new(&self.0)
    }

    /// Returns the functions that read the API's public configuration.
    pub fn config(&self) -> crate::api::config::Config {
        crate::api::config::Config::new(&self.0)
    }

    /// Returns the functions of releases, their tags and assets.
    pub fn release(&self) -> crate::api::release::Releases {
        crate::api::release::Releases::new(&self.0)
    }

    /// Returns the functions of services and their variables.
    pub fn service(&self) -> crate::api::service::Services {
        crate::api::service::Services::new(&self.0)
    }

    /// Returns the functions of images: builds of one service in one release.
    pub fn image(&self) -> crate::api::image::Images {
        crate::api::image::Images::new(&self.0)
    }

    /// Returns the functions of an organization's billing.
    pub fn billing(&self) -> crate::api::billing::Billing {
        crate::api::billing::Billing::new(&self.0)
    }

    /// Returns the functions of an organization's credit bundles.
    pub fn credit_bundle(&self) -> crate::api::credit_bundle::CreditBundles {
        crate::api::credit_bundle::CreditBundles::new(&self.0)
    }

    /// Returns the functions that read and follow device logs.
    pub fn logs(&self) -> crate::logs::Logs {
        crate::logs::Logs::new(&self.0)
    }

    /// Returns the functions for login, logout and registration.
    pub fn auth(&self) -> Auth {
        Auth::new(&self.0)
    }

    /// Returns the settings, by their names in the SDKs.
    pub fn settings(&self) -> SettingsStore {
        self.0.store.clone()
    }

    /// Returns the client of this device's supervisor, with one function per endpoint.
    pub fn supervisor(&self) -> &Supervisor {
        &self.0.supervisor
    }

    /// Returns this service's update lock. While it is held, the supervisor does not update, stop or reboot. Needs
    /// neither a label nor the supervisor API.
    pub fn update_lock(&self) -> UpdateLock {
        UpdateLock::new(&self.0.env)
    }

    /// Returns the transport of API requests, with the configured proxy and certificate authorities.
    #[cfg(feature = "cli")]
    pub(crate) fn transport(&self) -> Arc<dyn Transport> {
        self.0.http.transport.clone()
    }

    /// Returns the environment that the client was built with.
    pub fn environment(&self) -> &Environment {
        &self.0.env
    }
}

/// Builds a [`Balena`].
#[derive(Debug, Clone)]
#[must_use = "call `build`"]
pub struct Builder {
    env: Environment,
    patience: Option<Duration>,
    settings: Settings,
    token: Option<SecretString>,
    data_directory: DataDirectory,
    proxy: Option<SecretString>,
    authorities: Vec<RootCertificates>,
    retry: RetryPolicy,
    transport: Option<Arc<dyn Transport>>,
    clock: Arc<dyn Clock>,
    plain_http: PlainHttpPolicy,
}

/// Where the settings file is.
#[derive(Debug, Clone)]
enum DataDirectory {
    /// No file: the settings are in memory.
    None,
    /// The SDK's default directory.
    Usual,
    At(PathBuf),
}

impl Builder {
    /// Sets the environment: variables of a service container, proxies, certificates.
    pub fn environment(mut self, env: Environment) -> Self {
        self.env = env;
        self
    }

    /// Sets for how long a supervisor call retries while the supervisor is unreachable, unless the call sets its
    /// own. By default a call fails at once.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Sets the settings of the API client.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Sets the token or API key for the API. Default: `BALENA_API_KEY` of the environment. Same as
    /// [`Auth::login_with_token`] on the built client: with a data directory it is written to the file.
    pub fn token(mut self, token: SecretString) -> Self {
        self.token = Some(token);
        self
    }

    /// Stores settings and token in the SDK's file too: `balena.cfg` in this directory, which the Python SDK can
    /// read. By default they are in memory only.
    ///
    /// Values of [`settings`](Self::settings) override those of an existing file and are not written to it.
    /// `BALENA_SETTINGS_CONFIG_FILENAME` and `BALENA_SETTINGS_CONFIG_SECTION` of the environment set another file
    /// name and section.
    pub fn data_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.data_directory = DataDirectory::At(directory.into());
        self
    }

    /// Stores settings and token in the SDKs' default directory: `.balena` in `BALENA_SETTINGS_HOME_DIRECTORY`,
    /// otherwise in `HOME`.
    pub fn default_data_directory(mut self) -> Self {
        self.data_directory = DataDirectory::Usual;
        self
    }

    /// Sets the proxy of API requests: `http://user:password@proxy.example:3128`. Default: `HTTPS_PROXY` or
    /// `HTTP_PROXY` of the environment, otherwise `ALL_PROXY`. `NO_PROXY` applies to it too, and addresses of this
    /// machine bypass it.
    pub fn proxy(mut self, proxy: impl Into<SecretString>) -> Self {
        self.proxy = Some(proxy.into());
        self
    }

    /// Trusts the certificate authorities of this PEM file in addition to the public ones, for a self-hosted API.
    /// The environment's `BALENA_EXTRA_CA_CERTS`, otherwise `NODE_EXTRA_CA_CERTS`, otherwise `SSL_CERT_FILE`, is
    /// added as well.
    pub fn ca_certs_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.authorities.push(RootCertificates::File(path.into()));
        self
    }

    /// Trusts the certificate authorities of this PEM text, as [`ca_certs_file`](Self::ca_certs_file).
    pub fn ca_certs(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authorities.push(RootCertificates::Pem(pem.into()));
        self
    }

    /// Allows sending the key to an API address that starts with `http://`. `AGENT_ALLOW_HTTP=1` in the environment
    /// does the same. By default such a request is refused, because anyone on the network path could read the key.
    /// An API on this machine needs no permission.
    pub fn allow_http(mut self) -> Self {
        self.plain_http = PlainHttpPolicy::Allowed;
        self
    }

    /// Sets when API requests are retried.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Sets a transport for API requests in place of HTTPS, for tests and special networks.
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Sets the clock: the time of day, and the sleeping before retries.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Builds the client.
    ///
    /// # Errors
    /// `is_config` if a setting, the key of the environment, the proxy or a certificate is invalid; the message
    /// names it. `is_invalid_argument` if the token is malformed. `is_io`, `is_config` or `is_locked` if the
    /// settings file can't be used.
    pub fn try_build(self) -> Result<Balena> {
        self.check_api_url()?;
        self.cloud().check()?;
        if self.token.is_none() {
            self.env.cloud_key().transpose().map_err(|malformed| malformed.error())?;
        }
        self.token.as_ref().map(checked_token).transpose()?;
        self.transport_config().check()?;
        let has_key = self.token.is_some() || self.env.api_key.is_some();
        let api = self.cloud().api().parse();
        if let Some(api) =
            api.ok().filter(|api| has_key && is_exposed(api) && self.plain_http() == PlainHttpPolicy::Refused)
        {
            return Err(plain_http_error(&api));
        }
        let balena = self.build();
        balena.0.store.ready()?;
        Ok(balena)
    }

    /// Builds the client. An error of [`try_build`](Self::try_build) is then returned by the first call that is
    /// affected.
    pub fn build(self) -> Balena {
        let (settings, way, file) = (self.cloud(), self.transport_config(), self.file());
        let plain_http = self.plain_http();
        let Self { env, patience, token, retry, transport, clock, .. } = self;
        let supervisor = Supervisor::build(&env, patience);
        let limiter = settings
            .request_limit
            .map(|limit| RateLimiter::new(limit, settings.request_limit_interval, clock.clone()));
        let transport = transport.unwrap_or_else(|| Arc::new(ReqwestTransport::new(way)));
        let http =
            Arc::new(HttpClient { transport, limiter, retry, budget: RetryBudget::new(), clock, plain_http });
        let credential = Credential::new(env.cloud_key());
        let store = SettingsStore::new(settings, token, file);
        Balena(Arc::new(Core { env, supervisor, store, http, credential, whoami: Mutex::new(None) }))
    }

    /// Returns the settings, with the environment's API address if they set none.
    fn cloud(&self) -> Settings {
        let mut settings = self.settings.clone();
        if let Some(url) = self.api_url() {
            settings.api_endpoint = Some(url.to_owned());
        }
        settings
    }

    /// Returns the environment's API address if it applies: the device's key is for the API that the device belongs
    /// to.
    fn api_url(&self) -> Option<&str> {
        let names_none = self.settings.api_endpoint.is_none()
            && self.settings.balena_host == Settings::default().balena_host;
        self.env.api_url.as_deref().filter(|_| names_none)
    }

    /// # Errors
    /// `is_config` if the environment's API address is invalid. The error omits the address: it may contain a
    /// password.
    fn check_api_url(&self) -> Result<()> {
        let checked = self.api_url().map(checks::base_address).transpose();
        checked.map(drop).map_err(|why| {
            let text = format!("{} is not the address of an API: {why}", self.env.variable("API_URL"));
            Error::new(ErrorKind::Config, text).with_help(
                "an address has the form https://api.balena-cloud.com; a device sets it by the label io.balena.features.balena-api",
            )
        })
    }

    fn plain_http(&self) -> PlainHttpPolicy {
        if self.env.allow_http.as_deref() == Some("1") { PlainHttpPolicy::Allowed } else { self.plain_http }
    }

    fn transport_config(&self) -> TransportConfig {
        let named = |own: &Option<SecretString>| {
            [&self.proxy, own, &self.env.all_proxy].into_iter().find_map(Clone::clone)
        };
        let environment = self.env.extra_ca_certs.iter().cloned().map(RootCertificates::File);
        TransportConfig {
            https_proxy: named(&self.env.https_proxy),
            http_proxy: named(&self.env.http_proxy),
            no_proxy: self.env.no_proxy.clone(),
            authorities: self.authorities.iter().cloned().chain(environment).collect(),
        }
    }

    fn file(&self) -> Option<SettingsFile> {
        let env = &self.env;
        let directory = match &self.data_directory {
            DataDirectory::None => return None,
            DataDirectory::At(directory) => Some(directory.clone()),
            DataDirectory::Usual => {
                let home = env.settings_home_directory.as_ref().or(env.home.as_ref());
                home.map(|home| home.join(".balena"))
            }
        };
        Some(SettingsFile {
            directory: directory.unwrap_or_default(),
            name: env.settings_config_filename.clone().unwrap_or_else(|| "balena.cfg".to_owned()),
            section: env.settings_config_section.clone().unwrap_or_else(|| "Settings".to_owned()),
        })
    }
}

#[cfg(test)]
mod tests;
