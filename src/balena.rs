//! The public face.

use std::sync::Arc;
use std::time::Duration;

use crate::api::device::Devices;
use crate::core::Core;
use crate::env::Environment;
use crate::error::Result;
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
        Builder { env: Environment::default(), patience: None }
    }

    /// Devices: this one through its supervisor, with the names that the SDKs use.
    pub fn device(&self) -> Devices {
        Devices::new(self.0.clone())
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

    /// The finished client.
    pub fn build(self) -> Balena {
        let supervisor = Supervisor::build(&self.env, self.patience);
        Balena(Arc::new(Core { env: self.env, supervisor }))
    }
}

const _: () = {
    const fn shared<T: Clone + Send + Sync + 'static>() {}
    shared::<Balena>();
};
