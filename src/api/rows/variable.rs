//! Rows: variables of applications, devices and services, for configuration, environment and build.

use jiff::Timestamp;

use crate::api::resource::resource;
use crate::ids::VariableId;

use super::{Application, Device, ReleaseImage, Service, ServiceInstall};

resource! {
    /// A configuration variable for all devices of an application.
    ApplicationConfigVariable = "application_config_variable", "application config variable" {
        /// Number that the cloud gave it.
        id / ID: VariableId,
        /// When it was created. The published types do not list it.
        created_at / CREATED_AT: Timestamp,
        /// When it was set last. The published types do not list it.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name of the variable, e.g. `RESIN_HOST_CONFIG_gpu_mem`, unique among those of what it is set for.
        name / NAME: String,
        /// Text of the variable.
        value / VALUE: String,
    }
    navigation {
        /// The application whose devices get it.
        application / APPLICATION = "application": Application,
    }
}

resource! {
    /// An environment variable for all services on all devices of an application.
    ApplicationVariable = "application_environment_variable", "application environment variable" {
        /// Number that the cloud gave it.
        id / ID: VariableId,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// When it was set last. The published types do not list it.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name of the variable, unique among those of what it is set for.
        name / NAME: String,
        /// Text of the variable; may be empty.
        value / VALUE: String,
    }
    navigation {
        /// The application whose devices get it.
        application / APPLICATION = "application": Application,
    }
}

resource! {
    /// A variable that the builder sees while it builds a release of an application.
    BuildVariable = "build_environment_variable", "build environment variable" {
        /// Number that the cloud gave it.
        id / ID: VariableId,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// When it was set last. The published types do not list it.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name of the variable, unique among those of what it is set for.
        name / NAME: String,
        /// Text of the variable; may be empty.
        value / VALUE: String,
    }
    navigation {
        /// The application whose releases are built with it.
        application / APPLICATION = "application": Application,
    }
}

resource! {
    /// A configuration variable of one device. It counts before its application's.
    DeviceConfigVariable = "device_config_variable", "device config variable" {
        /// Number that the cloud gave it.
        id / ID: VariableId,
        /// When it was created. The published types do not list it.
        created_at / CREATED_AT: Timestamp,
        /// When it was set last. The published types do not list it.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name of the variable, e.g. `RESIN_HOST_CONFIG_gpu_mem`, unique among those of what it is set for.
        name / NAME: String,
        /// Text of the variable.
        value / VALUE: String,
    }
    navigation {
        /// The device that gets it.
        device / DEVICE = "device": Device,
    }
}

resource! {
    /// An environment variable for all services on one device. It counts before its application's.
    DeviceVariable = "device_environment_variable", "device environment variable" {
        /// Number that the cloud gave it.
        id / ID: VariableId,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// When it was set last. The published types do not list it.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name of the variable, unique among those of what it is set for.
        name / NAME: String,
        /// Text of the variable; may be empty.
        value / VALUE: String,
    }
    navigation {
        /// The device that gets it.
        device / DEVICE = "device": Device,
    }
}

resource! {
    /// An environment variable of one service on one device. It counts before all others.
    DeviceServiceVariable = "device_service_environment_variable", "device service variable" {
        /// Number that the cloud gave it.
        id / ID: VariableId,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// When it was set last. The published types do not list it.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name of the variable, unique among those of what it is set for.
        name / NAME: String,
        /// Text of the variable; may be empty.
        value / VALUE: String,
    }
    navigation {
        /// The service on the device that gets it.
        service_install / SERVICE_INSTALL = "service_install": ServiceInstall,
    }
}

resource! {
    /// An environment variable of a service on all devices of its application.
    ServiceVariable = "service_environment_variable", "service variable" {
        /// Number that the cloud gave it.
        id / ID: VariableId,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// When it was set last. The published types do not list it.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name of the variable, unique among those of what it is set for.
        name / NAME: String,
        /// Text of the variable; may be empty.
        value / VALUE: String,
    }
    navigation {
        /// The service that gets it.
        service / SERVICE = "service": Service,
    }
}

resource! {
    /// An environment variable of an image in a release, as its compose file sets it.
    ImageEnvironmentVariable = "image_environment_variable", "image environment variable" {
        /// Number that the cloud gave it.
        id / ID: VariableId,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// When it was set last. The published types do not list it.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name of the variable, unique among those of what it is set for.
        name / NAME: String,
        /// Text of the variable; may be empty.
        value / VALUE: String,
    }
    navigation {
        /// The image in the release that has it.
        release_image / RELEASE_IMAGE = "release_image": ReleaseImage,
    }
}
