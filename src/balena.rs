//! The public face.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use secrecy::SecretString;

use crate::api::device::Devices;
use crate::clock::{Clock, SystemClock};
use crate::core::Core;
use crate::env::Environment;
use crate::error::Result;
use crate::http::{Budget, Cloud, Http, Limiter, Retry, Transport};
use crate::settings::Settings;
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

    /// With settings of your own; starts from an empty environment.
    pub fn builder() -> Builder {
        Builder {
            env: Environment::default(),
            patience: None,
            settings: Settings::default(),
            token: None,
            retry: Retry::standard(),
            transport: None,
            clock: Arc::new(SystemClock),
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

    /// This device's supervisor, endpoint by endpoint.
    pub fn supervisor(&self) -> &Supervisor {
        &self.0.supervisor
    }

    /// This service's update lock: while it is held, the supervisor neither updates nor stops nor reboots.
    /// Needs no label and no supervisor API.
    pub fn update_lock(&self) -> UpdateLock {
        UpdateLock::new(&self.0.env)
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
    retry: Retry,
    transport: Option<Arc<dyn Transport>>,
    clock: Arc<dyn Clock>,
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

    /// Token or API key for the cloud; `BALENA_API_KEY` of the environment without it.
    pub fn token(mut self, token: SecretString) -> Self {
        self.token = Some(token);
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
    /// `is_config` when a setting is wrong; the text names it.
    pub fn try_build(self) -> Result<Balena> {
        self.settings.check()?;
        Ok(self.build())
    }

    /// The finished client. A setting that is wrong is an error of the first cloud call.
    pub fn build(self) -> Balena {
        let Self { env, patience, mut settings, token, retry, transport, clock } = self;
        if settings.api_endpoint.is_none() && settings.balena_host == Settings::default().balena_host {
            // The device's key is for the cloud that the device belongs to, which may be one's own.
            settings.api_endpoint.clone_from(&env.api_url);
        }
        let supervisor = Supervisor::build(&env, patience);
        let limiter = settings
            .request_limit
            .map(|limit| Limiter::new(limit, settings.request_limit_interval, clock.clone()));
        let transport = transport.unwrap_or_else(|| Arc::new(Cloud::default()));
        let http = Http { transport, limiter, retry, budget: Budget::new(), clock };
        let token = RwLock::new(token.or_else(|| env.api_key.clone()));
        Balena(Arc::new(Core { env, supervisor, settings, http, token }))
    }
}

const _: () = {
    const fn shared<T: Clone + Send + Sync + 'static>() {}
    shared::<Balena>();
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_devices_key_goes_to_the_devices_cloud() {
        let api = |balena_host: &str| {
            let env = Environment::from_vars([("BALENA_API_URL", "https://api.own.example")]).unwrap();
            let settings = Settings { balena_host: balena_host.into(), ..Settings::default() };
            Balena::builder().environment(env).settings(settings).build().0.settings.api()
        };
        assert_eq!(api("balena-cloud.com"), "https://api.own.example");
        assert_eq!(api("balena-staging.com"), "https://api.balena-staging.com", "what was asked for counts");
    }
}
