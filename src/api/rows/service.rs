//! Rows: services, and services on devices.

use jiff::Timestamp;

use crate::api::resource::resource;
use crate::ids::ServiceId;

use super::{Application, Device, DeviceServiceVariable, Image, ServiceVariable};

resource! {
    /// A service of an application.
    Service = "service", "service" {
        /// Id.
        id / ID: ServiceId,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// Name, as in the compose file.
        service_name / SERVICE_NAME: String,
    }
    navigation {
        /// Its application.
        application / APPLICATION = "application": Application,
        /// The images that are builds of it.
        is_built_by_image / IMAGE = "is_built_by__image": Image,
        /// Variables of it on all devices.
        service_environment_variable / SERVICE_ENVIRONMENT_VARIABLE = "service_environment_variable": ServiceVariable,
        /// Variables of it on single devices.
        device_service_environment_variable / DEVICE_SERVICE_ENVIRONMENT_VARIABLE = "device_service_environment_variable": DeviceServiceVariable,
    }
}

resource! {
    /// A service on a device.
    ServiceInstall = "service_install", "service install" {
        /// Id.
        id / ID: i64,
    }
    navigation {
        /// The device.
        device / DEVICE = "device": Device,
        /// The service.
        installs_service / SERVICE = "installs__service": Service,
        /// Its application.
        application / APPLICATION = "application": Application,
    }
}
