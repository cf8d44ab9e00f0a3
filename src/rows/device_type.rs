//! Rows of device types, their aliases, families and manufacturers, and of CPU architectures.

use jiff::Timestamp;
use serde_json::Value;

use crate::ids::DeviceTypeId;
use crate::resource::schema::resource;

use super::{Application, Device, DeviceHistory, OrganizationPrivateDeviceTypeAccess, PublicDevice};

resource! {
    /// A device type: a kind of board.
    DeviceType = "device_type", "device type" {
        /// Id, assigned by the API.
        id / ID: DeviceTypeId,
        /// Unique short name, e.g. `raspberrypi3`, `raspberrypi4-64`, `intel-nuc`.
        slug / SLUG: String,
        /// Display name, e.g. `Raspberry Pi 3`.
        name / NAME: String,
        /// Whether only organizations with private access can use the type. Not on openBalena.
        is_private / IS_PRIVATE: bool,
        /// Logo as a `data:` URL; `None` if there is none.
        logo / LOGO: String,
        /// Contract as a JSON object: what the type requires and provides; `None` if there is none.
        contract / CONTRACT: Value,
    }
    navigation {
        /// Device family; empty if the type belongs to none.
        belongs_to_device_family / DEVICE_FAMILY = "belongs_to__device_family": DeviceFamily,
        /// Applications with this default device type, including host OS applications.
        is_default_for_application / APPLICATION = "is_default_for__application": Application,
        /// CPU architecture.
        is_of_cpu_architecture / CPU_ARCHITECTURE = "is_of__cpu_architecture": CpuArchitecture,
        /// Organizations with access to a private type, one row each.
        is_accessible_privately_by_organization / ORGANIZATION = "is_accessible_privately_by__organization": OrganizationPrivateDeviceTypeAccess,
        /// Devices of this type.
        #[serde(alias = "describes_device")]
        describes_device / DESCRIBES_DEVICE = "describes__device": Device,
        /// Public view of the devices of this type. Not in the documentation of version 6.
        describes_public_device / PUBLIC_DEVICE = "describes__public_device": PublicDevice,
        /// Device history rows of devices of this type. Not in the documentation of version 6.
        device_history / DEVICE_HISTORY = "device_history": DeviceHistory,
        /// Aliases of the type, including its slug.
        device_type_alias / DEVICE_TYPE_ALIAS = "device_type_alias": DeviceTypeAlias,
    }
}

resource! {
    /// An alias of a device type.
    DeviceTypeAlias = "device_type_alias", "device type alias" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Time of creation. Not in the published types.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types.
        modified_at / MODIFIED_AT: Timestamp,
        /// The alias, e.g. `raspberry-pi`, `fincm3`.
        is_referenced_by_alias / IS_REFERENCED_BY_ALIAS = "is_referenced_by__alias": String,
    }
    navigation {
        /// Device type under the name in the documentation of version 6. No server knows this name, so the client
        /// refuses a request that uses it: use `device_type`.
        references_device_type / REFERENCES_DEVICE_TYPE = "references__device_type": DeviceType,
        /// Device type that the alias stands for.
        device_type / DEVICE_TYPE = "device_type": DeviceType,
    }
}

resource! {
    /// A family of device types.
    DeviceFamily = "device_family", "device family" {
        /// Time of creation. Not in the published types of version 7.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types of version 7.
        modified_at / MODIFIED_AT: Timestamp,
        /// Id, assigned by the API.
        id / ID: i64,
        /// Unique short name, e.g. `raspberrypi`.
        slug / SLUG: String,
        /// Display name, e.g. `Raspberry Pi`.
        name / NAME: String,
    }
    navigation {
        /// Manufacturer; empty if unknown.
        is_manufactured_by_device_manufacturer / DEVICE_MANUFACTURER = "is_manufactured_by__device_manufacturer": DeviceManufacturer,
        /// Device types in the family. Not in the documentation of version 6.
        device_type / DEVICE_TYPE = "device_type": DeviceType,
    }
}

resource! {
    /// A manufacturer of devices.
    DeviceManufacturer = "device_manufacturer", "device manufacturer" {
        /// Time of creation. Not in the published types of version 7.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types of version 7.
        modified_at / MODIFIED_AT: Timestamp,
        /// Id, assigned by the API.
        id / ID: i64,
        /// Unique short name, e.g. `raspberry-pi-foundation`.
        slug / SLUG: String,
        /// Display name, e.g. `Raspberry Pi Foundation`.
        name / NAME: String,
    }
}

resource! {
    /// A CPU architecture.
    CpuArchitecture = "cpu_architecture", "CPU architecture" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Time of creation. Not in the published types.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types.
        modified_at / MODIFIED_AT: Timestamp,
        /// Unique short name, e.g. `aarch64`, `armv7hf`, `amd64`, `rpi`, `i386`.
        slug / SLUG: String,
    }
    navigation {
        /// Device types with this architecture.
        is_supported_by_device_type / DEVICE_TYPE = "is_supported_by__device_type": DeviceType,
    }
}
