//! Rows: what devices were before.

use jiff::Timestamp;

use crate::api::resource::resource;

use super::{Actor, Application, Device, DeviceType, Release, ServiceInstance};

resource! {
    /// What a device was for a while: one row ends and the next begins when one of these columns changes.
    DeviceHistory = "device_history", "device history" {
        /// When that began.
        created_at / CREATED_AT: Timestamp,
        /// Number that the cloud gave the row.
        id / ID: i64,
        /// When that ended; none while it is so.
        end_timestamp / END_TIMESTAMP: Timestamp,
        /// Uuid that the device had.
        uuid / UUID: String,
        /// Whether it counted for the plan.
        is_active / IS_ACTIVE: bool,
        /// Host OS that it had, e.g. `balenaOS 2.98.33`.
        os_version / OS_VERSION: String,
        /// `dev` or `prod`, of the host OS that it had.
        os_variant / OS_VARIANT: String,
        /// Version of the supervisor that it had.
        supervisor_version / SUPERVISOR_VERSION: String,
        /// Serial number of its processor; none when it had none. The documentation of version 6 does not list it.
        cpu_id / CPU_ID: String,
    }
    navigation {
        /// Who changed the device so that this began; nothing where the cloud did.
        is_created_by_actor / IS_CREATED_BY_ACTOR = "is_created_by__actor": Actor,
        /// Who changed the device so that this ended; nothing while it is so, and where the cloud did.
        is_ended_by_actor / IS_ENDED_BY_ACTOR = "is_ended_by__actor": Actor,
        /// The device; nothing when it was removed.
        tracks_device / DEVICE = "tracks__device": Device,
        /// What acts in the device's name.
        tracks_actor / TRACKS_ACTOR = "tracks__actor": Actor,
        /// The fleet that it was in.
        belongs_to_application / APPLICATION = "belongs_to__application": Application,
        /// The release that it ran.
        is_running_release / IS_RUNNING_RELEASE = "is_running__release": Release,
        /// The release that it was pinned to, nothing where it followed its application; version 6 only.
        should_be_running_release / SHOULD_BE_RUNNING_RELEASE = "should_be_running__release": Release,
        /// The release that it was pinned to, nothing where it followed its application; version 7 only.
        is_pinned_on_release / IS_PINNED_ON_RELEASE = "is_pinned_on__release": Release,
        /// What kind of board it was registered as.
        is_of_device_type / DEVICE_TYPE = "is_of__device_type": DeviceType,
        /// The release of the supervisor that it should run; nothing where nobody chose one.
        should_be_managed_by_release / SHOULD_BE_MANAGED_BY_RELEASE = "should_be_managed_by__release": Release,
        /// The server of the VPN that it was connected to; nothing when it was not. The documentation of version 6
        /// does not list it.
        is_managed_by_service_instance / SERVICE_INSTANCE = "is_managed_by__service_instance": ServiceInstance,
    }
}
