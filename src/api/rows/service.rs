//! Rows: services, service installs.

use jiff::Timestamp;

use crate::api::resource::resource;
use crate::ids::ServiceId;

use super::{Application, Device, DeviceServiceVariable, Image, ServiceVariable};

resource! {
    /// A service.
    Service = "service", "service" {
        /// Id.
        id / ID: ServiceId,
        /// Created at.
        created_at / CREATED_AT: Timestamp,
        /// Service name.
        service_name / SERVICE_NAME: String,
    }
    navigation {
        /// Application.
        application / APPLICATION = "application": Application,
        /// Is built by image.
        is_built_by_image / IMAGE = "is_built_by__image": Image,
        /// Service environment variable.
        service_environment_variable / SERVICE_ENVIRONMENT_VARIABLE = "service_environment_variable": ServiceVariable,
        /// Device service environment variable.
        device_service_environment_variable / DEVICE_SERVICE_ENVIRONMENT_VARIABLE = "device_service_environment_variable": DeviceServiceVariable,
    }
}

resource! {
    /// A service install.
    ServiceInstall = "service_install", "service install" {
        /// Id.
        id / ID: i64,
    }
    navigation {
        /// Device.
        device / DEVICE = "device": Device,
        /// Installs service.
        installs_service / SERVICE = "installs__service": Service,
        /// Application.
        application / APPLICATION = "application": Application,
    }
}
