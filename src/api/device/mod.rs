//! Functions of devices: of this device through its supervisor, without the cloud; of others through the API.

mod action;
mod architecture;
mod batch;
mod change;
mod device_key;
mod history;
mod host_settings;
mod local_mode;
mod lock_override;
mod os_target;
mod os_update;
mod os_version;
mod pin;
mod pin_os;
mod progress;
mod read;
mod register;
mod remote;
mod service_var;
mod services;
mod single_container;
mod supervisor_release;
mod supervisor_version;
mod tags;
mod target;
mod target_state;
mod url;
mod variables;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::supervisor::{
    Application, ApplicationState, Call, DeviceState, ForceOptions, HostConfig, HostConfigPatch,
    JournalLines, JournalQuery, RecreateOptions, RestartServiceOptions, ServiceSelector, SetHostConfig,
    StartServiceOptions, StopServiceOptions, Supervisor, Tag, UpdateOptions, UpdateTrigger, VpnState,
};

pub use action::DeviceAction;
pub(crate) use architecture::runs;
pub use change::Location;
pub use device_key::NewDeviceKey;
pub use history::DeviceHistories;
pub use local_mode::LocalModeSupport;
pub use os_update::{NewOsUpdate, OsUpdateAction, OsUpdateStatus};
pub use read::DeviceMetrics;
pub use register::{NewDevice, RegisteredDevice};
pub use service_var::DeviceServiceVariables;
pub use services::{CurrentService, CurrentServices, DeviceWithServices, DeviceWithServicesByApp};
pub(crate) use services::{named, services};
pub(crate) use target::Route;
pub use target::{DeviceTarget, Local};
pub use target_state::{TargetState, TargetStateForApp};
pub use variables::DeviceValue;

use remote::RequiredFields;
use supervisor_version::MinimumVersion;

/// Devices. From [`Balena::device`](crate::Balena::device).
///
/// Each action takes a [target](DeviceTarget): `None` or [`Local`] is this device, through its supervisor; an id or
/// a uuid is another device, through the API. The documented endpoint is the supervisor's; the API has it below
/// `POST /supervisor`.
#[derive(Debug, Clone)]
pub struct Devices {
    core: Arc<Core>,
}

impl Devices {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    fn action<T, O>(
        &self,
        target: impl Into<DeviceTarget>,
        needs: RequiredFields,
        call: impl FnOnce(&Supervisor) -> Call<T, O>,
    ) -> DeviceAction<T, O> {
        let way = target.into().route(&self.core.env, &self.core.supervisor);
        DeviceAction::new(&self.core, way, needs, call(&self.core.supervisor))
    }

    fn on_application<T, O>(
        &self,
        target: impl Into<DeviceTarget>,
        needs: RequiredFields,
        call: impl FnOnce(Application) -> Call<T, O>,
    ) -> DeviceAction<T, O> {
        let supervisor = &self.core.supervisor;
        let way = target.into().route_for_application(&self.core.env, supervisor);
        let application = match &way {
            Ok(Route::Here) => supervisor.application(),
            _ => supervisor.application_elsewhere(),
        };
        DeviceAction::new(&self.core, way, needs, call(application))
    }

    /// Checks that the device's supervisor responds (`GET /ping`).
    pub fn ping(&self, target: impl Into<DeviceTarget>) -> DeviceAction<()> {
        self.action(target, RequiredFields::Application, Supervisor::ping)
    }

    /// Blinks the device's LED for 15 s, to identify it (`POST /v1/blink`).
    #[doc(alias = "blink")]
    pub fn identify(&self, target: impl Into<DeviceTarget>) -> DeviceAction<()> {
        self.action(target, RequiredFields::Uuid, Supervisor::blink)
    }

    /// Restarts all services of the application (`POST /v1/restart`). The application is that of `BALENA_APP_ID`, or
    /// for another device that of its row.
    ///
    /// # Errors
    /// `is_locked` if a service holds an update lock; `is_unknown_outcome` if this container is one of those
    /// restarted.
    #[doc(alias = "restartApplication")]
    pub fn restart_application(&self, target: impl Into<DeviceTarget>) -> DeviceAction<(), RecreateOptions> {
        self.on_application(target, RequiredFields::VersionForRestart, |application| application.restart_v1())
    }

    /// Reboots the device (`POST /v1/reboot`). After a success, all further calls are refused at once.
    ///
    /// # Errors
    /// `is_locked` if a service holds an update lock or the host OS is being updated.
    pub fn reboot(&self, target: impl Into<DeviceTarget>) -> DeviceAction<(), ForceOptions> {
        self.action(target, RequiredFields::Id, Supervisor::reboot)
    }

    /// Shuts the device down (`POST /v1/shutdown`). It must be switched on again on site.
    ///
    /// # Errors
    /// As [`reboot`](Self::reboot).
    pub fn shutdown(&self, target: impl Into<DeviceTarget>) -> DeviceAction<(), ForceOptions> {
        self.action(target, RequiredFields::Application, Supervisor::shutdown)
    }

    /// Restarts all services of the application with **empty volumes** (`POST /v1/purge`). Their data is lost. The
    /// application is that of `BALENA_APP_ID`.
    ///
    /// # Errors
    /// As [`restart_application`](Self::restart_application).
    pub fn purge(&self, target: impl Into<DeviceTarget>) -> DeviceAction<(), RecreateOptions> {
        self.on_application(target, RequiredFields::Application, |application| application.purge_v1())
    }

    /// Makes the supervisor check for an update now (`POST /v1/update`). Returns before the check ends.
    pub fn update(&self, target: impl Into<DeviceTarget>) -> DeviceAction<UpdateTrigger, UpdateOptions> {
        self.action(target, RequiredFields::Application, Supervisor::update)
    }

    /// Reads a summary of the device's state (`GET /v1/device`).
    #[doc(alias = "getSupervisorState")]
    pub fn get_supervisor_state(&self, target: impl Into<DeviceTarget>) -> DeviceAction<DeviceState> {
        self.action(target, RequiredFields::Uuid, Supervisor::device)
    }

    /// Starts a service (`POST /v2/applications/:appId/start-service`). Succeeds if it is running already. For this
    /// device, a name is checked first, as by [`restart_service`](Self::restart_service).
    ///
    /// # Errors
    /// `is_not_found` if the service does not exist or has no container.
    #[doc(alias = "startService")]
    pub fn start_service(
        &self,
        target: impl Into<DeviceTarget>,
        service: impl Into<ServiceSelector>,
    ) -> DeviceAction<(), StartServiceOptions> {
        self.on_application(target, RequiredFields::Version(MinimumVersion::V7), |application| {
            application.start_service(service)
        })
    }

    /// Stops a service (`POST /v2/applications/:appId/stop-service`). **Returns before it has stopped**:
    /// [`Supervisor::wait_for`] waits for that. For this device, a name is checked first, as by
    /// [`restart_service`](Self::restart_service).
    ///
    /// # Errors
    /// `is_not_found` if the service does not exist or has no container; `is_locked` if any service of the
    /// application holds an update lock; `is_unknown_outcome` if it is this service.
    #[doc(alias = "stopService")]
    pub fn stop_service(
        &self,
        target: impl Into<DeviceTarget>,
        service: impl Into<ServiceSelector>,
    ) -> DeviceAction<(), StopServiceOptions> {
        self.on_application(target, RequiredFields::Version(MinimumVersion::V7), |application| {
            application.stop_service(service)
        })
    }

    /// Restarts a service in a new container (`POST /v2/applications/:appId/restart-service`). The supervisor
    /// responds 200 even if the engine could not stop the old container: [`confirm`](DeviceAction::confirm) checks
    /// it.
    ///
    /// For this device, a name is checked first (`GET /v2/applications/state`): in an application of one service,
    /// the supervisor acts on that service whatever the name. [`unchecked`](DeviceAction::unchecked) skips the
    /// check.
    ///
    /// # Errors
    /// As [`stop_service`](Self::stop_service).
    #[doc(alias = "restartService")]
    pub fn restart_service(
        &self,
        target: impl Into<DeviceTarget>,
        service: impl Into<ServiceSelector>,
    ) -> DeviceAction<(), RestartServiceOptions> {
        self.on_application(target, RequiredFields::Version(MinimumVersion::V7), |application| {
            application.restart_service(service)
        })
    }

    /// Reads the state of each application in the key's scope, by name (`GET /v2/applications/state`).
    pub fn application_states(
        &self,
        target: impl Into<DeviceTarget>,
    ) -> DeviceAction<BTreeMap<String, ApplicationState>> {
        self.action(target, RequiredFields::Id, Supervisor::applications_state)
    }

    /// Reads the host's network settings (`GET /v1/device/host-config`).
    pub fn host_config(&self, target: impl Into<DeviceTarget>) -> DeviceAction<HostConfig> {
        self.action(target, RequiredFields::Id, Supervisor::host_config)
    }

    /// Changes the host's network settings (`PATCH /v1/device/host-config`).
    ///
    /// # Errors
    /// As [`Supervisor::set_host_config`]; `is_unsupported` for another device if its proxy has a login that the
    /// change removes: this takes two steps, and in between the API could not reach the device.
    pub fn set_host_config(&self, target: impl Into<DeviceTarget>, patch: &HostConfigPatch) -> SetHostConfig {
        let way = target.into().route(&self.core.env, &self.core.supervisor);
        SetHostConfig::new(way.map(|way| host_settings::of(&self.core, way)), patch)
    }

    /// Reads the device's name that its supervisor received last (`GET /v2/device/name`). Works offline.
    pub fn supervisor_device_name(&self, target: impl Into<DeviceTarget>) -> DeviceAction<String> {
        self.action(target, RequiredFields::Id, Supervisor::device_name)
    }

    /// Reads the device's tags, which the supervisor requests from the API (`GET /v2/device/tags`).
    ///
    /// # Errors
    /// As [`Supervisor::tags`].
    pub fn supervisor_tags(&self, target: impl Into<DeviceTarget>) -> DeviceAction<Vec<Tag>> {
        self.action(target, RequiredFields::Id, Supervisor::tags)
    }

    /// Sets tags through the supervisor, which sends them to the API when it can (`PATCH /v2/device/tags`).
    ///
    /// # Errors
    /// As [`Supervisor::set_tags`].
    pub fn set_supervisor_tags<K: Into<String>, V: Into<String>>(
        &self,
        target: impl Into<DeviceTarget>,
        tags: impl IntoIterator<Item = (K, V)>,
    ) -> DeviceAction<()> {
        self.action(target, RequiredFields::Id, |supervisor| supervisor.set_tags(tags))
    }

    /// Reads the state of the device's VPN (`GET /v2/device/vpn`).
    pub fn vpn_state(&self, target: impl Into<DeviceTarget>) -> DeviceAction<VpnState> {
        self.action(target, RequiredFields::Id, Supervisor::vpn)
    }

    /// Reads or follows the journal of this device's host (`POST /v2/journal-logs`).
    ///
    /// # Errors
    /// As [`Supervisor::journal_logs`]; `is_unsupported` for another device.
    pub async fn journal_logs(
        &self,
        target: impl Into<DeviceTarget>,
        query: JournalQuery,
    ) -> Result<JournalLines> {
        match target.into().route(&self.core.env, &self.core.supervisor)? {
            Route::Here => self.core.supervisor.journal_logs(query).await,
            Route::There(device) => Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "the journal of device {device} can't be read from here: the API does not forward it"
                ),
            )
            .with_help("read it on the device; the API's logs have the output of its services")),
        }
    }
}
