//! The public face.

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
    Authorities, Budget, Cloud, Http, Limiter, PlainHttp, Retry, Transport, Way, exposed, is_exposed,
};
use crate::settings::{Settings, SettingsFile, SettingsStore, checked_token};
use crate::supervisor::{Supervisor, UpdateLock};

/// The entry to everything: this device and its supervisor.
///
/// Cheap to clone; clones share connections. Nothing is sent before a request is awaited.
#[derive(Debug, Clone)]
pub struct Balena(Arc<Core>);

impl Balena {
    /// With what the process's environment tells. On a device nothing else is needed.
    ///
    /// # Errors
    /// `is_config` when a `BALENA_*` variable can't be read. A missing one is an error of the first call
    /// that needs it.
    pub fn from_env() -> Result<Self> {
        Ok(Self::builder().environment(Environment::from_process()?).build())
    }

    /// With settings of your own; starts from an empty environment: no key, no proxy, no certificates but the
    /// public ones, until [`Builder::environment`] brings them.
    pub fn builder() -> Builder {
        Builder {
            env: Environment::default(),
            patience: None,
            settings: Settings::default(),
            token: None,
            data_directory: DataDirectory::None,
            proxy: None,
            authorities: Vec::new(),
            retry: Retry::standard(),
            transport: None,
            clock: Arc::new(SystemClock),
            plain_http: PlainHttp::Refused,
        }
    }

    /// Devices: this one through its supervisor, with the names that the SDKs use.
    pub fn device(&self) -> Devices {
        Devices::new(self.0.clone())
    }

    /// Applications (fleets): theirs, their tags, variables, members and invites.
    pub fn application(&self) -> crate::api::application::Applications {
        crate::api::application::Applications::new(&self.0)
    }

    /// Device types.
    pub fn device_type(&self) -> crate::api::device_type::DeviceTypes {
        crate::api::device_type::DeviceTypes::new(&self.0)
    }

    /// API keys.
    pub fn api_key(&self) -> crate::api::api_key::ApiKeys {
        crate::api::api_key::ApiKeys::new(&self.0)
    }

    /// The host OS of devices: its versions, updates and configuration.
    pub fn os(&self) -> crate::api::os::DeviceOs {
        crate::api::os::DeviceOs::new(&self.0)
    }

    /// SSH keys of the user.
    pub fn key(&self) -> crate::api::key::SshKeys {
        crate::api::key::SshKeys::new(&self.0)
    }

    /// Organizations, their members and invites.
    pub fn organization(&self) -> crate::api::organization::Organizations {
        crate::api::organization::Organizations::new(&self.0)
    }

    /// Teams of organizations, their members, and the applications that they work on.
    pub fn team(&self) -> crate::api::team::Teams {
        crate::api::team::Teams::new(&self.0)
    }

    /// What the API tells about itself.
    pub fn config(&self) -> crate::api::config::Config {
        crate::api::config::Config::new(&self.0)
    }

    /// Releases and their tags.
    pub fn release(&self) -> crate::api::release::Releases {
        crate::api::release::Releases::new(&self.0)
    }

    /// Services and their variables.
    pub fn service(&self) -> crate::api::service::Services {
        crate::api::service::Services::new(&self.0)
    }

    /// Images: one service's build in one release.
    pub fn image(&self) -> crate::api::image::Images {
        crate::api::image::Images::new(&self.0)
    }

    /// Billing of an organization.
    pub fn billing(&self) -> crate::api::billing::Billing {
        crate::api::billing::Billing::new(&self.0)
    }

    /// Credit bundles of an organization.
    pub fn credit_bundle(&self) -> crate::api::credit_bundle::CreditBundles {
        crate::api::credit_bundle::CreditBundles::new(&self.0)
    }

    /// Logs of devices: what there is, and what comes.
    pub fn logs(&self) -> crate::logs::Logs {
        crate::logs::Logs::new(&self.0)
    }

    /// Logging in and out, and whose credentials these are.
    pub fn auth(&self) -> Auth {
        Auth::new(&self.0)
    }

    /// The settings by their names in the SDKs.
    pub fn settings(&self) -> SettingsStore {
        self.0.store.clone()
    }

    /// This device's supervisor, endpoint by endpoint.
    pub fn supervisor(&self) -> &Supervisor {
        &self.0.supervisor
    }

    /// This service's update lock: while it is held, the supervisor neither updates nor stops nor reboots.
    /// Needs no label and no supervisor API.
    pub fn update_lock(&self) -> UpdateLock {
        UpdateLock::new(&self.0.env)
    }

    /// What carries requests to the cloud, with the proxy and the authorities that count.
    #[cfg(feature = "cli")]
    pub(crate) fn transport(&self) -> Arc<dyn Transport> {
        self.0.http.transport.clone()
    }

    /// What the environment told.
    pub fn environment(&self) -> &Environment {
        &self.0.env
    }
}

/// Makes a [`Balena`].
#[derive(Debug, Clone)]
#[must_use = "call `build`"]
pub struct Builder {
    env: Environment,
    patience: Option<Duration>,
    settings: Settings,
    token: Option<SecretString>,
    data_directory: DataDirectory,
    proxy: Option<SecretString>,
    authorities: Vec<Authorities>,
    retry: Retry,
    transport: Option<Arc<dyn Transport>>,
    clock: Arc<dyn Clock>,
    plain_http: PlainHttp,
}

/// Where the settings are kept.
#[derive(Debug, Clone)]
enum DataDirectory {
    /// Nowhere: in memory.
    None,
    /// Where the SDK keeps them.
    Usual,
    At(PathBuf),
}

impl Builder {
    /// The environment to go by.
    pub fn environment(mut self, env: Environment) -> Self {
        self.env = env;
        self
    }

    /// How long every supervisor call keeps trying while the supervisor can't be reached, unless the call
    /// says otherwise. By default a call fails at once.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Settings of the cloud side.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Token or API key for the cloud; `BALENA_API_KEY` of the environment without it. The same as
    /// [`Auth::login_with_token`] on the finished client: with a data directory it goes into the file.
    pub fn token(mut self, token: SecretString) -> Self {
        self.token = Some(token);
        self
    }

    /// Keeps settings and token in the SDK's file as well: `balena.cfg` in this directory, which a Python
    /// program can read too. Without it they are in memory only, and gone with the client.
    ///
    /// What is asked for with [`settings`](Self::settings) counts before what the file says, and is not
    /// written into it, unless it is new. `BALENA_SETTINGS_CONFIG_FILENAME` and `BALENA_SETTINGS_CONFIG_SECTION`
    /// of the environment name another file and section.
    pub fn data_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.data_directory = DataDirectory::At(directory.into());
        self
    }

    /// The same where the SDKs keep theirs: `.balena` in `BALENA_SETTINGS_HOME_DIRECTORY`, else in `HOME`.
    pub fn default_data_directory(mut self) -> Self {
        self.data_directory = DataDirectory::Usual;
        self
    }

    /// The proxy for the cloud's requests, `http://user:password@proxy.example:3128`; `HTTPS_PROXY` and
    /// `HTTP_PROXY`, else `ALL_PROXY`, of the environment without it. `NO_PROXY` counts for it too, and this machine is never
    /// reached through it.
    pub fn proxy(mut self, proxy: impl Into<SecretString>) -> Self {
        self.proxy = Some(proxy.into());
        self
    }

    /// Trusts the authorities in this file too (PEM), besides the public ones: for a cloud of one's own. The
    /// environment's `BALENA_EXTRA_CA_CERTS`, else `NODE_EXTRA_CA_CERTS`, else `SSL_CERT_FILE`, counts as well.
    pub fn ca_certs_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.authorities.push(Authorities::File(path.into()));
        self
    }

    /// The same with the text of such a file.
    pub fn ca_certs(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authorities.push(Authorities::Pem(pem.into()));
        self
    }

    /// Lets the key go to a cloud whose address begins with `http://`; `AGENT_ALLOW_HTTP=1` in the environment
    /// does the same. Without it that is refused, since everyone on the way could read the key; a cloud on this
    /// machine needs no permission.
    pub fn allow_http(mut self) -> Self {
        self.plain_http = PlainHttp::Allowed;
        self
    }

    /// When cloud requests are tried again.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Carries the cloud's requests instead of HTTPS: for tests, and for odd ways out.
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Where the time of day comes from, and how the waits that a server asks for are done.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The finished client.
    ///
    /// # Errors
    /// `is_config` when a setting, the key of the environment, the proxy or a certificate is wrong; the text names it.
    /// `is_invalid_argument` for what can't be a token. `is_io`, `is_config` or `is_locked` when the settings
    /// file can't be used.
    pub fn try_build(self) -> Result<Balena> {
        self.check_api_url()?;
        self.cloud().check()?;
        if self.token.is_none() {
            self.env.cloud_key().transpose().map_err(|malformed| malformed.error())?;
        }
        self.token.as_ref().map(checked_token).transpose()?;
        self.way().check()?;
        let has_key = self.token.is_some() || self.env.api_key.is_some();
        let api = self.cloud().api().parse();
        if let Some(api) =
            api.ok().filter(|api| has_key && is_exposed(api) && self.plain_http() == PlainHttp::Refused)
        {
            return Err(exposed(&api));
        }
        let balena = self.build();
        balena.0.store.ready()?;
        Ok(balena)
    }

    /// The finished client. What [`try_build`](Self::try_build) would refuse is an error of the first call
    /// that needs it.
    pub fn build(self) -> Balena {
        let (settings, way, file) = (self.cloud(), self.way(), self.file());
        let unencrypted = self.plain_http();
        let Self { env, patience, token, retry, transport, clock, .. } = self;
        let supervisor = Supervisor::build(&env, patience);
        let limiter = settings
            .request_limit
            .map(|limit| Limiter::new(limit, settings.request_limit_interval, clock.clone()));
        let transport = transport.unwrap_or_else(|| Arc::new(Cloud::new(way)));
        let http = Arc::new(Http { transport, limiter, retry, budget: Budget::new(), clock, unencrypted });
        let credential = Credential::new(env.cloud_key());
        let store = SettingsStore::new(settings, token, file);
        Balena(Arc::new(Core { env, supervisor, store, http, credential, whoami: Mutex::new(None) }))
    }

    /// The settings, with the environment's address where they name no cloud.
    fn cloud(&self) -> Settings {
        let mut settings = self.settings.clone();
        if let Some(url) = self.api_url() {
            settings.api_endpoint = Some(url.to_owned());
        }
        settings
    }

    /// The environment's address, where it counts: the device's key is for the cloud that the device belongs to,
    /// which may be one's own.
    fn api_url(&self) -> Option<&str> {
        let names_none = self.settings.api_endpoint.is_none()
            && self.settings.balena_host == Settings::default().balena_host;
        self.env.api_url.as_deref().filter(|_| names_none)
    }

    /// # Errors
    /// `is_config`: what is wrong with the environment's address, without the address. It may have a password in it.
    fn check_api_url(&self) -> Result<()> {
        let checked = self.api_url().map(checks::base_address).transpose();
        checked.map(drop).map_err(|why| {
            let text = format!("{} is not the address of an API: {why}", self.env.variable("API_URL"));
            Error::new(ErrorKind::Config, text).help(
                "it looks like https://api.balena-cloud.com; a device sets it by the label io.balena.features.balena-api",
            )
        })
    }

    fn plain_http(&self) -> PlainHttp {
        if self.env.allow_http.as_deref() == Some("1") { PlainHttp::Allowed } else { self.plain_http }
    }

    fn way(&self) -> Way {
        let named = |own: &Option<SecretString>| {
            [&self.proxy, own, &self.env.all_proxy].into_iter().find_map(Clone::clone)
        };
        let environment = self.env.extra_ca_certs.iter().cloned().map(Authorities::File);
        Way {
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

const _: () = {
    const fn shared<T: Clone + Send + Sync + 'static>() {}
    shared::<Balena>();
};

#[cfg(test)]
mod tests;
