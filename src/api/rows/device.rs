//! Rows: devices, device history, public devices, service instances.

use jiff::Timestamp;
use serde_json::Value;

use crate::api::resource::resource;
use crate::ids::DeviceId;

use super::{
    Actor, Application, DeviceConfigVariable, DeviceTag, DeviceType, DeviceVariable, HeartbeatState,
    ImageInstall, OverallStatus, Release, SupervisorRelease, UpdateStatus, User,
};

resource! {
    /// A device.
    Device = "device", "device" {
        /// Id.
        id / ID: DeviceId,
        /// Created at.
        created_at / CREATED_AT: Timestamp,
        /// Modified at.
        modified_at / MODIFIED_AT: Timestamp,
        /// Custom latitude.
        custom_latitude / CUSTOM_LATITUDE: String,
        /// Custom longitude.
        custom_longitude / CUSTOM_LONGITUDE: String,
        /// Device name.
        device_name / DEVICE_NAME: String,
        /// Download progress.
        download_progress / DOWNLOAD_PROGRESS: i64,
        /// Ip address.
        ip_address / IP_ADDRESS: String,
        /// Public address.
        public_address / PUBLIC_ADDRESS: String,
        /// Mac address.
        mac_address / MAC_ADDRESS: String,
        /// Is accessible by support until date.
        is_accessible_by_support_until_date / IS_ACCESSIBLE_BY_SUPPORT_UNTIL_DATE = "is_accessible_by_support_until__date": Timestamp,
        /// Is connected to vpn.
        is_connected_to_vpn / IS_CONNECTED_TO_VPN: bool,
        /// Is locked until date.
        is_locked_until_date / IS_LOCKED_UNTIL_DATE = "is_locked_until__date": Timestamp,
        /// Is web accessible.
        is_web_accessible / IS_WEB_ACCESSIBLE: bool,
        /// Is active.
        is_active / IS_ACTIVE: bool,
        /// Is frozen.
        is_frozen / IS_FROZEN: bool,
        /// Is online.
        is_online / IS_ONLINE: bool,
        /// Last connectivity event.
        last_connectivity_event / LAST_CONNECTIVITY_EVENT: Timestamp,
        /// Last vpn event.
        last_vpn_event / LAST_VPN_EVENT: Timestamp,
        /// Latitude.
        latitude / LATITUDE: String,
        /// Local id.
        local_id / LOCAL_ID: String,
        /// Location.
        location / LOCATION: String,
        /// Longitude.
        longitude / LONGITUDE: String,
        /// Note.
        note / NOTE: String,
        /// Os variant.
        os_variant / OS_VARIANT: String,
        /// Os version.
        os_version / OS_VERSION: String,
        /// Provisioning progress.
        provisioning_progress / PROVISIONING_PROGRESS: i64,
        /// Provisioning state.
        provisioning_state / PROVISIONING_STATE: String,
        /// State.
        state / STATE: Value,
        /// Status.
        status / STATUS: String,
        /// Rank of `overall_status`; version 6 only.
        status_sort_index / STATUS_SORT_INDEX: i64,
        /// Supervisor version.
        supervisor_version / SUPERVISOR_VERSION: String,
        /// Uuid.
        uuid / UUID: String,
        /// Vpn address; version 6 only.
        vpn_address / VPN_ADDRESS: String,
        /// Api heartbeat state.
        api_heartbeat_state / API_HEARTBEAT_STATE: HeartbeatState,
        /// Since when that is so; version 7 only.
        changed_api_heartbeat_state_on_date / CHANGED_API_HEARTBEAT_STATE_ON_DATE = "changed_api_heartbeat_state_on__date": Timestamp,
        /// How far the update is that it was told last; servers before version 7 may lack it.
        update_status / UPDATE_STATUS: UpdateStatus,
        /// Since when that is so; servers before version 7 may lack it.
        last_update_status_event / LAST_UPDATE_STATUS_EVENT: Timestamp,
        /// Memory usage.
        memory_usage / MEMORY_USAGE: i64,
        /// Memory total.
        memory_total / MEMORY_TOTAL: i64,
        /// Storage block device.
        storage_block_device / STORAGE_BLOCK_DEVICE: String,
        /// Storage usage.
        storage_usage / STORAGE_USAGE: i64,
        /// Storage total.
        storage_total / STORAGE_TOTAL: i64,
        /// Cpu usage.
        cpu_usage / CPU_USAGE: i64,
        /// Cpu temp.
        cpu_temp / CPU_TEMP: i64,
        /// Cpu id.
        cpu_id / CPU_ID: String,
        /// Is undervolted.
        is_undervolted / IS_UNDERVOLTED: bool,
        /// Its state in one word, as the dashboard shows it. The words differ by version.
        overall_status / OVERALL_STATUS: OverallStatus,
        /// Overall progress.
        overall_progress / OVERALL_PROGRESS: i64,
    }
    navigation {
        /// What acts in its name; a plain id in version 6.
        actor / ACTOR = "actor": Actor,
        /// Is of device type.
        is_of_device_type / DEVICE_TYPE = "is_of__device_type": DeviceType,
        /// Belongs to application.
        belongs_to_application / APPLICATION = "belongs_to__application": Application,
        /// Belongs to user.
        belongs_to_user / USER = "belongs_to__user": User,
        /// Is running release.
        is_running_release / IS_RUNNING_RELEASE = "is_running__release": Release,
        /// In version 6 the release that it is pinned to, nothing where it follows its application. In version 7
        /// the release that it should run in the end, whichever way; read only.
        should_be_running_release / SHOULD_BE_RUNNING_RELEASE = "should_be_running__release": Release,
        /// The release that it is pinned to, nothing where it follows its application; version 7 only.
        is_pinned_on_release / IS_PINNED_ON_RELEASE = "is_pinned_on__release": Release,
        /// The release of the host OS that it should run; servers before version 7 may lack it.
        should_be_operated_by_release / SHOULD_BE_OPERATED_BY_RELEASE = "should_be_operated_by__release": Release,
        /// The release of the supervisor that it should run; version 7 only.
        should_be_managed_by_release / SHOULD_BE_MANAGED_BY_RELEASE = "should_be_managed_by__release": Release,
        /// Is managed by service instance.
        is_managed_by_service_instance / SERVICE_INSTANCE = "is_managed_by__service_instance": ServiceInstance,
        /// The supervisor that it should run; version 6 only.
        should_be_managed_by_supervisor_release / SUPERVISOR_RELEASE = "should_be_managed_by__supervisor_release": SupervisorRelease,
        /// Device config variable.
        device_config_variable / DEVICE_CONFIG_VARIABLE = "device_config_variable": DeviceConfigVariable,
        /// Device environment variable.
        device_environment_variable / DEVICE_ENVIRONMENT_VARIABLE = "device_environment_variable": DeviceVariable,
        /// Device tag.
        device_tag / DEVICE_TAG = "device_tag": DeviceTag,
        /// Service install.
        service_install / SERVICE_INSTALL = "service_install": ServiceInstance,
        /// Image install.
        image_install / IMAGE_INSTALL = "image_install": ImageInstall,
    }
}

resource! {
    /// A device history.
    DeviceHistory = "device_history", "device history" {
        /// Created at.
        created_at / CREATED_AT: Timestamp,
        /// Id.
        id / ID: i64,
        /// End timestamp.
        end_timestamp / END_TIMESTAMP: Timestamp,
        /// Uuid.
        uuid / UUID: String,
        /// Is active.
        is_active / IS_ACTIVE: bool,
        /// Os version.
        os_version / OS_VERSION: String,
        /// Os variant.
        os_variant / OS_VARIANT: String,
        /// Supervisor version.
        supervisor_version / SUPERVISOR_VERSION: String,
    }
    navigation {
        /// Is created by actor.
        is_created_by_actor / IS_CREATED_BY_ACTOR = "is_created_by__actor": Actor,
        /// Is ended by actor.
        is_ended_by_actor / IS_ENDED_BY_ACTOR = "is_ended_by__actor": Actor,
        /// Tracks device.
        tracks_device / DEVICE = "tracks__device": Device,
        /// Tracks actor.
        tracks_actor / TRACKS_ACTOR = "tracks__actor": Actor,
        /// Belongs to application.
        belongs_to_application / APPLICATION = "belongs_to__application": Application,
        /// Is running release.
        is_running_release / IS_RUNNING_RELEASE = "is_running__release": Release,
        /// Should be running release.
        should_be_running_release / SHOULD_BE_RUNNING_RELEASE = "should_be_running__release": Release,
        /// Is of device type.
        is_of_device_type / DEVICE_TYPE = "is_of__device_type": DeviceType,
        /// Should be managed by release.
        should_be_managed_by_release / SHOULD_BE_MANAGED_BY_RELEASE = "should_be_managed_by__release": Release,
    }
}

resource! {
    /// A public device.
    PublicDevice = "public_device", "public device" {
        /// Latitude.
        latitude / LATITUDE: String,
        /// Longitude.
        longitude / LONGITUDE: String,
        /// Was recently online.
        was_recently_online / WAS_RECENTLY_ONLINE: bool,
    }
    navigation {
        /// Belongs to application.
        belongs_to_application / APPLICATION = "belongs_to__application": Application,
        /// Is of device type.
        is_of_device_type / DEVICE_TYPE = "is_of__device_type": DeviceType,
    }
}

resource! {
    /// A service instance.
    ServiceInstance = "service_instance", "service instance" {
        /// Id.
        id / ID: i64,
        /// Created at.
        created_at / CREATED_AT: Timestamp,
        /// Service type.
        service_type / SERVICE_TYPE: String,
        /// Ip address.
        ip_address / IP_ADDRESS: String,
        /// Last heartbeat.
        last_heartbeat / LAST_HEARTBEAT: String,
    }
}
