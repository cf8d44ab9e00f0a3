//! Rows: services, services on devices, labels of services and images.

use jiff::Timestamp;

use crate::api::resource::resource;
use crate::ids::ServiceId;

use super::{Application, Device, DeviceServiceVariable, Image, ReleaseImage, ServiceVariable};

resource! {
    /// A service of an application.
    Service = "service", "service" {
        /// Number that the cloud gave it.
        id / ID: ServiceId,
        /// When a release had it first.
        created_at / CREATED_AT: Timestamp,
        /// When a column of the row changed last. The published types do not list it.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name, as in the compose file; unique within its application.
        service_name / SERVICE_NAME: String,
    }
    navigation {
        /// The application that it is of.
        application / APPLICATION = "application": Application,
        /// The images that are builds of it.
        is_built_by_image / IMAGE = "is_built_by__image": Image,
        /// Variables of it on all devices.
        service_environment_variable / SERVICE_ENVIRONMENT_VARIABLE = "service_environment_variable": ServiceVariable,
        /// Devices that have or had it, a row each: its variables on single devices hang there.
        service_install / SERVICE_INSTALL = "service_install": ServiceInstall,
        /// Labels of it, as its last compose file sets them.
        service_label / SERVICE_LABEL = "service_label": ServiceLabel,
    }
}

resource! {
    /// A service on a device.
    ServiceInstall = "service_install", "service install" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// When a column of the row changed last. The published types do not list it.
        modified_at / MODIFIED_AT: Timestamp,
    }
    navigation {
        /// The device that has it.
        device / DEVICE = "device": Device,
        /// The service that it has.
        installs_service / SERVICE = "installs__service": Service,
        /// Variables of the service on this device alone.
        device_service_environment_variable / DEVICE_SERVICE_ENVIRONMENT_VARIABLE = "device_service_environment_variable": DeviceServiceVariable,
    }
}

resource! {
    /// A label of a service.
    ServiceLabel = "service_label", "service label" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// When it was set last. The published types do not list it.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name of the label, e.g. `io.balena.features.balena-api`.
        label_name / LABEL_NAME: String,
        /// Text of the label; may be empty.
        value / VALUE: String,
    }
    navigation {
        /// The service that has it.
        service / SERVICE = "service": Service,
    }
}

resource! {
    /// A label of an image in a release.
    ImageLabel = "image_label", "image label" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// When it was set last. The published types do not list it.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name of the label, e.g. `io.balena.features.balena-api`.
        label_name / LABEL_NAME: String,
        /// Text of the label; may be empty.
        value / VALUE: String,
    }
    navigation {
        /// The image in the release that has it.
        release_image / RELEASE_IMAGE = "release_image": ReleaseImage,
    }
}
