//! Rows: device types, their aliases, families and manufacturers, CPU architectures.

use jiff::Timestamp;
use serde_json::Value;

use crate::api::resource::resource;
use crate::ids::DeviceTypeId;

use super::{Application, Device, DeviceHistory, OrganizationPrivateDeviceTypeAccess, PublicDevice};

resource! {
    /// A device type: a kind of board.
    DeviceType = "device_type", "device type" {
        /// Number that the cloud gave it.
        id / ID: DeviceTypeId,
        /// Short name, unique, e.g. `raspberrypi3`.
        slug / SLUG: String,
        /// Name for people, e.g. `Raspberry Pi 3`.
        name / NAME: String,
        /// Whether only some organizations may use it.
        is_private / IS_PRIVATE: bool,
        /// Its logo, as a `data:` URL; none when it has none.
        logo / LOGO: String,
        /// What it needs and provides; none when nobody wrote one.
        contract / CONTRACT: Value,
    }
    navigation {
        /// Boards that it is one of; nothing when it is in no family.
        belongs_to_device_family / DEVICE_FAMILY = "belongs_to__device_family": DeviceFamily,
        /// Applications that are for it; the host OS among them.
        is_default_for_application / APPLICATION = "is_default_for__application": Application,
        /// What its processor runs.
        is_of_cpu_architecture / CPU_ARCHITECTURE = "is_of__cpu_architecture": CpuArchitecture,
        /// Organizations that may use it although it is private, a row each.
        is_accessible_privately_by_organization / ORGANIZATION = "is_accessible_privately_by__organization": OrganizationPrivateDeviceTypeAccess,
        /// Devices of this type.
        #[serde(alias = "describes_device")]
        describes_device / DESCRIBES_DEVICE = "describes__device": Device,
        /// Devices of this type, as everybody may see them. The documentation of version 6 does not list it.
        describes_public_device / PUBLIC_DEVICE = "describes__public_device": PublicDevice,
        /// What devices of this type were before. The documentation of version 6 does not list it.
        device_history / DEVICE_HISTORY = "device_history": DeviceHistory,
        /// Its other names, the slug among them.
        device_type_alias / DEVICE_TYPE_ALIAS = "device_type_alias": DeviceTypeAlias,
    }
}

resource! {
    /// Another name of a device type.
    DeviceTypeAlias = "device_type_alias", "device type alias" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// When it was created. The published types do not list it.
        created_at / CREATED_AT: Timestamp,
        /// When a column of the row changed last. The published types do not list it.
        modified_at / MODIFIED_AT: Timestamp,
        /// The name, e.g. `raspberry-pi`.
        is_referenced_by_alias / IS_REFERENCED_BY_ALIAS = "is_referenced_by__alias": String,
    }
    navigation {
        /// What it stands for, by the name in the documentation of version 6. No server knows it, so a request that
        /// names it is refused: `device_type` is the name in both versions.
        references_device_type / REFERENCES_DEVICE_TYPE = "references__device_type": DeviceType,
        /// What it stands for.
        device_type / DEVICE_TYPE = "device_type": DeviceType,
    }
}

resource! {
    /// A family of device types.
    DeviceFamily = "device_family", "device family" {
        /// When it was created. The published types of version 7 do not list it.
        created_at / CREATED_AT: Timestamp,
        /// When a column of the row changed last. The published types of version 7 do not list it.
        modified_at / MODIFIED_AT: Timestamp,
        /// Number that the cloud gave it.
        id / ID: i64,
        /// Short name, unique, e.g. `raspberrypi`.
        slug / SLUG: String,
        /// Name for people, e.g. `Raspberry Pi`.
        name / NAME: String,
    }
    navigation {
        /// Who makes them; nothing when nobody says.
        is_manufactured_by_device_manufacturer / DEVICE_MANUFACTURER = "is_manufactured_by__device_manufacturer": DeviceManufacturer,
        /// Device types that are in it. The documentation of version 6 does not list it.
        device_type / DEVICE_TYPE = "device_type": DeviceType,
    }
}

resource! {
    /// Who makes devices.
    DeviceManufacturer = "device_manufacturer", "device manufacturer" {
        /// When it was created. The published types of version 7 do not list it.
        created_at / CREATED_AT: Timestamp,
        /// When a column of the row changed last. The published types of version 7 do not list it.
        modified_at / MODIFIED_AT: Timestamp,
        /// Number that the cloud gave it.
        id / ID: i64,
        /// Short name, unique, e.g. `raspberry-pi-foundation`.
        slug / SLUG: String,
        /// Name for people, e.g. `Raspberry Pi Foundation`.
        name / NAME: String,
    }
}

resource! {
    /// A CPU architecture.
    CpuArchitecture = "cpu_architecture", "CPU architecture" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// When it was created. The published types do not list it.
        created_at / CREATED_AT: Timestamp,
        /// When a column of the row changed last. The published types do not list it.
        modified_at / MODIFIED_AT: Timestamp,
        /// Short name, unique, e.g. `aarch64`, `armv7hf`, `amd64`.
        slug / SLUG: String,
    }
    navigation {
        /// Device types whose processors run it.
        is_supported_by_device_type / DEVICE_TYPE = "is_supported_by__device_type": DeviceType,
    }
}
