//! Rows of services, services on devices, and labels of services and images.

use jiff::Timestamp;

use crate::ids::ServiceId;
use crate::resource::schema::resource;

use super::{Application, Device, DeviceServiceVariable, Image, ReleaseImage, ServiceVariable};

resource! {
    /// A service of an application.
    Service = "service", "service" {
        /// Id, assigned by the API.
        id / ID: ServiceId,
        /// Time at which a release first contained the service.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name in the compose file; unique within the application.
        service_name / SERVICE_NAME: String,
    }
    navigation {
        /// Application that the service belongs to.
        application / APPLICATION = "application": Application,
        /// Images that are builds of the service.
        is_built_by_image / IMAGE = "is_built_by__image": Image,
        /// Environment variables of the service on all devices.
        service_environment_variable / SERVICE_ENVIRONMENT_VARIABLE = "service_environment_variable": ServiceVariable,
        /// Devices that have or had the service, one row each. Its variables on single devices belong to these rows.
        service_install / SERVICE_INSTALL = "service_install": ServiceInstall,
        /// Labels of the service, from the last compose file.
        service_label / SERVICE_LABEL = "service_label": ServiceLabel,
    }
}

resource! {
    /// A service on a device.
    ServiceInstall = "service_install", "service install" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Time of creation.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types.
        modified_at / MODIFIED_AT: Timestamp,
    }
    navigation {
        /// Device that has the service.
        device / DEVICE = "device": Device,
        /// The service.
        installs_service / SERVICE = "installs__service": Service,
        /// Environment variables of the service on this device only.
        device_service_environment_variable / DEVICE_SERVICE_ENVIRONMENT_VARIABLE = "device_service_environment_variable": DeviceServiceVariable,
    }
}

resource! {
    /// A label of a service.
    ServiceLabel = "service_label", "service label" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Time of creation.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name, e.g. `io.balena.features.balena-api`; unique within the service.
        label_name / LABEL_NAME: String,
        /// Value; can be empty.
        value / VALUE: String,
    }
    navigation {
        /// Service with the label.
        service / SERVICE = "service": Service,
    }
}

resource! {
    /// A label of an image in a release.
    ImageLabel = "image_label", "image label" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Time of creation.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name, e.g. `io.balena.features.balena-api`; unique within the image of the release.
        label_name / LABEL_NAME: String,
        /// Value; can be empty.
        value / VALUE: String,
    }
    navigation {
        /// Image of a release with the label.
        release_image / RELEASE_IMAGE = "release_image": ReleaseImage,
    }
}
