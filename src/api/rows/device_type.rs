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
        /// Slug.
        slug / SLUG: String,
        /// Name.
        name / NAME: String,
        /// Is private.
        is_private / IS_PRIVATE: bool,
        /// Logo.
        logo / LOGO: String,
        /// Contract.
        contract / CONTRACT: Value,
    }
    navigation {
        /// Belongs to device family.
        belongs_to_device_family / DEVICE_FAMILY = "belongs_to__device_family": DeviceFamily,
        /// Is default for application.
        is_default_for_application / APPLICATION = "is_default_for__application": Application,
        /// Is of cpu architecture.
        is_of_cpu_architecture / CPU_ARCHITECTURE = "is_of__cpu_architecture": CpuArchitecture,
        /// Is accessible privately by organization.
        is_accessible_privately_by_organization / ORGANIZATION = "is_accessible_privately_by__organization": Organization,
        /// Describes device.
        describes_device / DESCRIBES_DEVICE = "describes_device": Device,
        /// Device type alias.
        device_type_alias / DEVICE_TYPE_ALIAS = "device_type_alias": DeviceTypeAlias,
    }
}

resource! {
    /// A device type alias.
    DeviceTypeAlias = "device_type_alias", "device type alias" {
        /// Id.
        id / ID: i64,
        /// Is referenced by alias.
        is_referenced_by_alias / IS_REFERENCED_BY_ALIAS = "is_referenced_by__alias": String,
    }
    navigation {
        /// References device type.
        references_device_type / DEVICE_TYPE = "references__device_type": DeviceType,
    }
}

resource! {
    /// A device family.
    DeviceFamily = "device_family", "device family" {
        /// Created at.
        created_at / CREATED_AT: Timestamp,
        /// Modified at.
        modified_at / MODIFIED_AT: Timestamp,
        /// Id.
        id / ID: i64,
        /// Slug.
        slug / SLUG: String,
        /// Name.
        name / NAME: String,
    }
    navigation {
        /// Is manufactured by device manufacturer.
        is_manufactured_by_device_manufacturer / DEVICE_MANUFACTURER = "is_manufactured_by__device_manufacturer": DeviceManufacturer,
    }
}

resource! {
    /// A device manufacturer.
    DeviceManufacturer = "device_manufacturer", "device manufacturer" {
        /// Created at.
        created_at / CREATED_AT: Timestamp,
        /// Modified at.
        modified_at / MODIFIED_AT: Timestamp,
        /// Id.
        id / ID: i64,
        /// Slug.
        slug / SLUG: String,
        /// Name.
        name / NAME: String,
    }
}

resource! {
    /// A CPU architecture.
    CpuArchitecture = "cpu_architecture", "CPU architecture" {
        /// Id.
        id / ID: i64,
        /// Slug.
        slug / SLUG: String,
    }
    navigation {
        /// Is supported by device type.
        is_supported_by_device_type / DEVICE_TYPE = "is_supported_by__device_type": DeviceType,
    }
}
