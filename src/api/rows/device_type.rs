//! Rows: device types, their aliases, families and manufacturers, CPU architectures.

use jiff::Timestamp;
use serde_json::Value;

use crate::api::resource::resource;
use crate::ids::DeviceTypeId;

use super::{Application, Device, Organization};

resource! {
    /// A device type.
    DeviceType = "device_type", "device type" {
        /// Id.
        id / ID: DeviceTypeId,
        /// Short name, e.g. `raspberrypi3`.
        slug / SLUG: String,
        /// Name for people, e.g. `Raspberry Pi 3`.
        name / NAME: String,
        /// Whether only some organizations may use it.
        is_private / IS_PRIVATE: bool,
        /// Its logo, as a data address.
        logo / LOGO: String,
        /// What it needs and provides.
        contract / CONTRACT: Value,
    }
    navigation {
        /// Its family.
        belongs_to_device_family / DEVICE_FAMILY = "belongs_to__device_family": DeviceFamily,
        /// Applications that are for it; the host OS among them.
        is_default_for_application / APPLICATION = "is_default_for__application": Application,
        /// Its CPU architecture.
        is_of_cpu_architecture / CPU_ARCHITECTURE = "is_of__cpu_architecture": CpuArchitecture,
        /// Organizations that may use it although it is private.
        is_accessible_privately_by_organization / ORGANIZATION = "is_accessible_privately_by__organization": Organization,
        /// Devices of this type.
        describes_device / DESCRIBES_DEVICE = "describes_device": Device,
        /// Its aliases, the slug among them.
        device_type_alias / DEVICE_TYPE_ALIAS = "device_type_alias": DeviceTypeAlias,
    }
}

resource! {
    /// Another name of a device type.
    DeviceTypeAlias = "device_type_alias", "device type alias" {
        /// Id.
        id / ID: i64,
        /// The alias.
        is_referenced_by_alias / IS_REFERENCED_BY_ALIAS = "is_referenced_by__alias": String,
    }
    navigation {
        /// What it stands for; version 6 only.
        references_device_type / REFERENCES_DEVICE_TYPE = "references__device_type": DeviceType,
        /// What it stands for.
        device_type / DEVICE_TYPE = "device_type": DeviceType,
    }
}

resource! {
    /// A family of device types.
    DeviceFamily = "device_family", "device family" {
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// When it was last changed.
        modified_at / MODIFIED_AT: Timestamp,
        /// Id.
        id / ID: i64,
        /// Short name, e.g. `raspberrypi3`.
        slug / SLUG: String,
        /// Name for people, e.g. `Raspberry Pi 3`.
        name / NAME: String,
    }
    navigation {
        /// Who makes it.
        is_manufactured_by_device_manufacturer / DEVICE_MANUFACTURER = "is_manufactured_by__device_manufacturer": DeviceManufacturer,
    }
}

resource! {
    /// Who makes devices.
    DeviceManufacturer = "device_manufacturer", "device manufacturer" {
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// When it was last changed.
        modified_at / MODIFIED_AT: Timestamp,
        /// Id.
        id / ID: i64,
        /// Short name, e.g. `raspberrypi3`.
        slug / SLUG: String,
        /// Name for people, e.g. `Raspberry Pi 3`.
        name / NAME: String,
    }
}

resource! {
    /// A CPU architecture.
    CpuArchitecture = "cpu_architecture", "CPU architecture" {
        /// Id.
        id / ID: i64,
        /// Short name, e.g. `raspberrypi3`.
        slug / SLUG: String,
    }
    navigation {
        /// Device types that have it.
        is_supported_by_device_type / DEVICE_TYPE = "is_supported_by__device_type": DeviceType,
    }
}
