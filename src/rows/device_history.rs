//! Rows of the device history. Not on openBalena.

use jiff::Timestamp;

use crate::resource::schema::resource;

use super::{Actor, Application, Device, DeviceType, Release, ServiceInstance};

resource! {
    /// State of a device during one period. A change of any of these columns ends the row and begins the next one.
    DeviceHistory = "device_history", "device history" {
        /// Start of the period.
        created_at / CREATED_AT: Timestamp,
        /// Id, assigned by the API.
        id / ID: i64,
        /// End of the period; `None` for the current one.
        end_timestamp / END_TIMESTAMP: Timestamp,
        /// Uuid of the device.
        uuid / UUID: String,
        /// Whether the device counted for the plan.
        is_active / IS_ACTIVE: bool,
        /// Host OS version with the name of the OS, e.g. `balenaOS 2.98.33`; `None` before the first report.
        os_version / OS_VERSION: String,
        /// Host OS variant: `dev` or `prod`; `None` if unknown.
        os_variant / OS_VARIANT: String,
        /// Supervisor version; `None` before the first report.
        supervisor_version / SUPERVISOR_VERSION: String,
        /// Serial number of the CPU; `None` if the device does not report it. Not in the documentation of version 6.
        cpu_id / CPU_ID: String,
    }
    navigation {
        /// Actor whose change began the period; empty if the API itself made the change.
        is_created_by_actor / IS_CREATED_BY_ACTOR = "is_created_by__actor": Actor,
        /// Actor whose change ended the period; empty for the current one, or if the API itself made the change.
        is_ended_by_actor / IS_ENDED_BY_ACTOR = "is_ended_by__actor": Actor,
        /// The device; empty after it was deleted.
        tracks_device / DEVICE = "tracks__device": Device,
        /// Actor of the device.
        tracks_actor / TRACKS_ACTOR = "tracks__actor": Actor,
        /// Application (fleet) that the device belonged to.
        belongs_to_application / APPLICATION = "belongs_to__application": Application,
        /// Release that the device ran.
        is_running_release / IS_RUNNING_RELEASE = "is_running__release": Release,
        /// Release that the device was pinned to; empty if it followed its application; version 6 only.
        should_be_running_release / SHOULD_BE_RUNNING_RELEASE = "should_be_running__release": Release,
        /// Release that the device was pinned to; empty if it followed its application; version 7 only.
        is_pinned_on_release / IS_PINNED_ON_RELEASE = "is_pinned_on__release": Release,
        /// Device type of the device.
        is_of_device_type / DEVICE_TYPE = "is_of__device_type": DeviceType,
        /// Target release of the supervisor; empty if none was set.
        should_be_managed_by_release / SHOULD_BE_MANAGED_BY_RELEASE = "should_be_managed_by__release": Release,
        /// VPN server that the device was connected to; empty if none. Not in the documentation of version 6.
        is_managed_by_service_instance / SERVICE_INSTANCE = "is_managed_by__service_instance": ServiceInstance,
    }
}
