//! Rows of configuration, environment and build variables.

use jiff::Timestamp;

use crate::ids::VariableId;
use crate::resource::schema::resource;

use super::{Application, Device, ReleaseImage, Service, ServiceInstall};

resource! {
    /// A configuration variable for all devices of an application.
    ApplicationConfigVariable = "application_config_variable", "application config variable" {
        /// Id, assigned by the API.
        id / ID: VariableId,
        /// Time of creation. Not in the published types.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name, e.g. `BALENA_HOST_CONFIG_gpu_mem`, `RESIN_SUPERVISOR_LOCAL_MODE`; unique within the application.
        name / NAME: String,
        /// Value, at most 100,000 characters.
        value / VALUE: String,
    }
    navigation {
        /// Application whose devices get the variable.
        application / APPLICATION = "application": Application,
    }
}

resource! {
    /// An environment variable for all services on all devices of an application.
    ApplicationVariable = "application_environment_variable", "application environment variable" {
        /// Id, assigned by the API.
        id / ID: VariableId,
        /// Time of creation.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name; unique within the application.
        name / NAME: String,
        /// Value, at most 100,000 characters; can be empty.
        value / VALUE: String,
    }
    navigation {
        /// Application whose devices get the variable.
        application / APPLICATION = "application": Application,
    }
}

resource! {
    /// A variable that the builder sets while it builds a release of an application. Not on openBalena.
    BuildVariable = "build_environment_variable", "build environment variable" {
        /// Id, assigned by the API.
        id / ID: VariableId,
        /// Time of creation.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name; unique within the application.
        name / NAME: String,
        /// Value, at most 100,000 characters; can be empty.
        value / VALUE: String,
    }
    navigation {
        /// Application whose builds get the variable.
        application / APPLICATION = "application": Application,
    }
}

resource! {
    /// A configuration variable for one device. It overrides the variable of the application.
    DeviceConfigVariable = "device_config_variable", "device config variable" {
        /// Id, assigned by the API.
        id / ID: VariableId,
        /// Time of creation. Not in the published types.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name, e.g. `BALENA_HOST_CONFIG_gpu_mem`, `RESIN_SUPERVISOR_LOCAL_MODE`; unique within the device.
        name / NAME: String,
        /// Value, at most 100,000 characters.
        value / VALUE: String,
    }
    navigation {
        /// Device that gets the variable.
        device / DEVICE = "device": Device,
    }
}

resource! {
    /// An environment variable for all services on one device. It overrides the variable of the application.
    DeviceVariable = "device_environment_variable", "device environment variable" {
        /// Id, assigned by the API.
        id / ID: VariableId,
        /// Time of creation.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name; unique within the device.
        name / NAME: String,
        /// Value, at most 100,000 characters; can be empty.
        value / VALUE: String,
    }
    navigation {
        /// Device that gets the variable.
        device / DEVICE = "device": Device,
    }
}

resource! {
    /// An environment variable for one service on one device. It overrides all other variables of that name.
    DeviceServiceVariable = "device_service_environment_variable", "device service variable" {
        /// Id, assigned by the API.
        id / ID: VariableId,
        /// Time of creation.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name; unique within the service on the device.
        name / NAME: String,
        /// Value, at most 100,000 characters; can be empty.
        value / VALUE: String,
    }
    navigation {
        /// Service on a device that gets the variable.
        service_install / SERVICE_INSTALL = "service_install": ServiceInstall,
    }
}

resource! {
    /// An environment variable for one service on all devices of its application.
    ServiceVariable = "service_environment_variable", "service variable" {
        /// Id, assigned by the API.
        id / ID: VariableId,
        /// Time of creation.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name; unique within the service.
        name / NAME: String,
        /// Value, at most 100,000 characters; can be empty.
        value / VALUE: String,
    }
    navigation {
        /// Service that gets the variable.
        service / SERVICE = "service": Service,
    }
}

resource! {
    /// An environment variable of an image in a release, from the compose file.
    ImageEnvironmentVariable = "image_environment_variable", "image environment variable" {
        /// Id, assigned by the API.
        id / ID: VariableId,
        /// Time of creation.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name; unique within the image of the release.
        name / NAME: String,
        /// Value, at most 100,000 characters; can be empty.
        value / VALUE: String,
    }
    navigation {
        /// Image of a release with the variable.
        release_image / RELEASE_IMAGE = "release_image": ReleaseImage,
    }
}
