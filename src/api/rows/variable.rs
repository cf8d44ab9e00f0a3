//! Rows: application config variables, application environment variables, build environment variables, device config variables, device environment variables, device service variables, service variables.

use crate::api::resource::resource;
use crate::ids::VariableId;

use super::{Application, Device, Service, ServiceInstall};

resource! {
    /// An application config variable.
    ApplicationConfigVariable = "application_config_variable", "application config variable" {
        /// Id.
        id / ID: VariableId,
        /// Name.
        name / NAME: String,
        /// Value.
        value / VALUE: String,
    }
    navigation {
        /// Application.
        application / APPLICATION = "application": Application,
    }
}

resource! {
    /// An application environment variable.
    ApplicationVariable = "application_environment_variable", "application environment variable" {
        /// Id.
        id / ID: VariableId,
        /// Name.
        name / NAME: String,
        /// Value.
        value / VALUE: String,
    }
    navigation {
        /// Application.
        application / APPLICATION = "application": Application,
    }
}

resource! {
    /// A build environment variable.
    BuildVariable = "build_environment_variable", "build environment variable" {
        /// Id.
        id / ID: VariableId,
        /// Name.
        name / NAME: String,
        /// Value.
        value / VALUE: String,
    }
    navigation {
        /// Application.
        application / APPLICATION = "application": Application,
    }
}

resource! {
    /// A device config variable.
    DeviceConfigVariable = "device_config_variable", "device config variable" {
        /// Id.
        id / ID: VariableId,
        /// Name.
        name / NAME: String,
        /// Value.
        value / VALUE: String,
    }
    navigation {
        /// Device.
        device / DEVICE = "device": Device,
    }
}

resource! {
    /// A device environment variable.
    DeviceVariable = "device_environment_variable", "device environment variable" {
        /// Id.
        id / ID: VariableId,
        /// Name.
        name / NAME: String,
        /// Value.
        value / VALUE: String,
    }
    navigation {
        /// Device.
        device / DEVICE = "device": Device,
    }
}

resource! {
    /// A device service variable.
    DeviceServiceVariable = "device_service_environment_variable", "device service variable" {
        /// Id.
        id / ID: VariableId,
        /// Name.
        name / NAME: String,
        /// Value.
        value / VALUE: String,
    }
    navigation {
        /// Service install.
        service_install / SERVICE_INSTALL = "service_install": ServiceInstall,
    }
}

resource! {
    /// A service variable.
    ServiceVariable = "service_environment_variable", "service variable" {
        /// Id.
        id / ID: VariableId,
        /// Name.
        name / NAME: String,
        /// Value.
        value / VALUE: String,
    }
    navigation {
        /// Service.
        service / SERVICE = "service": Service,
    }
}
