//! The only service of a device whose application has a single container, through the API.

use crate::resource::keys::DeviceKey;
use crate::supervisor::{Application, Call, ForceOptions, SingleContainer};

use super::remote::RequiredFields;
use super::supervisor_version::MinimumVersion;
use super::target::Route;
use super::{DeviceAction, Devices};

impl Devices {
    fn single<T, O>(
        &self,
        device: impl Into<DeviceKey>,
        call: impl FnOnce(Application) -> Call<T, O>,
    ) -> DeviceAction<T, O> {
        let device = device.into();
        let way = device.check().map(|()| Route::There(device));
        let call = call(self.core.supervisor.application_elsewhere());
        DeviceAction::new(&self.core, way, RequiredFields::Version(MinimumVersion::V1_8), call)
    }

    /// Reads the only service of a device whose application has a single container
    /// (`POST /supervisor/v1/apps/:appId`, always through the API). For this device, see
    /// [`single_container`](Application::single_container).
    ///
    /// # Errors
    /// As [`DeviceAction`]; `is_rejected` if the application has several services; `is_unsupported` if the
    /// supervisor is older than 1.8.
    #[doc(alias = "getApplicationInfo")]
    pub fn get_application_info(&self, device: impl Into<DeviceKey>) -> DeviceAction<SingleContainer> {
        self.single(device, |application| application.single_container())
    }

    /// Starts the only service of a device (`POST /supervisor/v1/apps/:appId/start`, always through the API).
    ///
    /// # Errors
    /// As [`get_application_info`](Self::get_application_info).
    #[doc(alias = "startApplication")]
    pub fn start_application(&self, device: impl Into<DeviceKey>) -> DeviceAction<()> {
        self.single(device, |application| application.start_single().without_value())
    }

    /// Stops the only service of a device (`POST /supervisor/v1/apps/:appId/stop`, always through the API).
    ///
    /// # Errors
    /// As [`get_application_info`](Self::get_application_info); `is_locked` if the service holds an update lock.
    #[doc(alias = "stopApplication")]
    pub fn stop_application(&self, device: impl Into<DeviceKey>) -> DeviceAction<(), ForceOptions> {
        self.single(device, |application| application.stop_single().without_value())
    }
}
