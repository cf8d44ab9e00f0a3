//! An application with its devices and their services.

use serde::{Deserialize, Serialize};

use crate::api::device::{DeviceWithServices, named, services};
use crate::odata::Query;
use crate::resource::keys::ApplicationKey;
use crate::resource::read_request::Get;
use crate::rows::{Application, Device};

use super::Applications;

/// An application with its devices, as
/// [`get_with_device_service_details`](Applications::get_with_device_service_details) returns it. `A` and `D` are
/// the types that application and devices are decoded into.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ApplicationWithDeviceServices<A = Application, D = Device> {
    /// The application. Its own list of devices is empty.
    #[serde(flatten)]
    pub application: A,
    /// The devices of the application.
    #[serde(rename = "owns__device", default = "Vec::new")]
    pub devices: Vec<DeviceWithServices<D>>,
}

impl Applications {
    /// Reads one application with its devices, and for each device its services with the release of each
    /// (`GET /v6/application`).
    ///
    /// # Errors
    /// `is_not_found` if the application does not exist; `is_ambiguous` if several match.
    #[doc(alias = "getWithDeviceServiceDetails")]
    pub fn get_with_device_service_details(
        &self,
        application: impl Into<ApplicationKey>,
    ) -> Get<Application, ApplicationWithDeviceServices> {
        let key = application.into();
        Get::new(&self.core, async move {
            let services = Query::new().expand(Application::DEVICE.with(services()));
            let named = Query::new().expand(Application::DEVICE.with(named()));
            Ok(key.target::<Application>(services)?.with_required_columns(named))
        })
    }
}
