//! Rows of devices, their host names, public devices and service instances.

use jiff::Timestamp;
use serde_json::Value;

use crate::ids::DeviceId;
use crate::odata::Nav;
use crate::resource::schema::resource;

use super::{
    Actor, Application, DeviceConfigVariable, DeviceTag, DeviceType, DeviceVariable, HeartbeatState,
    ImageInstall, OverallStatus, Release, SecretText, ServiceInstall, SupervisorRelease, UpdateStatus, User,
};

resource! {
    /// A device.
    Device = "device", "device" {
        /// Id, assigned by the API.
        id / ID: DeviceId,
        /// Time of the registration.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row, by a user or by the device's reports.
        modified_at / MODIFIED_AT: Timestamp,
        /// Latitude set by a user, in decimal degrees as text; overrides `latitude`. Empty when unset. Not on
        /// openBalena.
        custom_latitude / CUSTOM_LATITUDE: String,
        /// Longitude set by a user, in decimal degrees as text; overrides `longitude`. Empty when unset. Not on
        /// openBalena.
        custom_longitude / CUSTOM_LONGITUDE: String,
        /// Display name. Not unique.
        device_name / DEVICE_NAME: String,
        /// Progress of the release download in percent (0–100), as last reported; `None` when nothing is downloaded.
        download_progress / DOWNLOAD_PROGRESS: i64,
        /// Local IP addresses (v4 and v6) of the network interfaces, separated by spaces; `None` before the first
        /// report.
        ip_address / IP_ADDRESS: String,
        /// IP address that the device's requests come from, as the API sees it; `None` before the first report.
        public_address / PUBLIC_ADDRESS: String,
        /// MAC addresses of the network interfaces, separated by spaces; `None` before the first report.
        mac_address / MAC_ADDRESS: String,
        /// End of the access that balena's support was granted; `None` if it has no access. Not on openBalena.
        is_accessible_by_support_until_date / IS_ACCESSIBLE_BY_SUPPORT_UNTIL_DATE = "is_accessible_by_support_until__date": Timestamp,
        /// Whether the VPN connection is up. Supervisor calls, SSH and the public device URL go through it.
        is_connected_to_vpn / IS_CONNECTED_TO_VPN: bool,
        /// Time until which the device is locked; `None` if it is not locked.
        is_locked_until_date / IS_LOCKED_UNTIL_DATE = "is_locked_until__date": Timestamp,
        /// Whether port 80 is public at the device URL; always `false` on openBalena.
        is_web_accessible / IS_WEB_ACCESSIBLE: bool,
        /// Whether the device counts for the plan: `false` after it was deactivated. Not on openBalena.
        is_active / IS_ACTIVE: bool,
        /// Whether the API suspended the device because the plan does not cover it. Not on openBalena.
        is_frozen / IS_FROZEN: bool,
        /// Whether the API counts the device as online. The SDK for JavaScript reads `is_connected_to_vpn` instead.
        is_online / IS_ONLINE: bool,
        /// Time of the last change of `is_online`; `None` for a device that was never online.
        last_connectivity_event / LAST_CONNECTIVITY_EVENT: Timestamp,
        /// Time of the last change of `is_connected_to_vpn`; `None` for a device that never connected.
        last_vpn_event / LAST_VPN_EVENT: Timestamp,
        /// Latitude estimated from `public_address`, in decimal degrees as text. Not on openBalena.
        latitude / LATITUDE: String,
        /// Id of a dependent device at the device that manages it (gateway mode); `None` for all others.
        local_id / LOCAL_ID: String,
        /// Place estimated from `public_address`, e.g. `Athens, Greece`. Not on openBalena.
        location / LOCATION: String,
        /// Longitude estimated from `public_address`, in decimal degrees as text. Not on openBalena.
        longitude / LONGITUDE: String,
        /// Free text of the users; `None` or empty if there is none.
        note / NOTE: String,
        /// Host OS variant: `dev` or `prod`. `None` before the first report, and for a host OS without variants.
        os_variant / OS_VARIANT: String,
        /// Host OS version with the name of the OS, e.g. `balenaOS 2.98.33`; `None` before the first report.
        os_version / OS_VERSION: String,
        /// Progress of the provisioning in percent (0–100); `None` when the device is not being provisioned.
        provisioning_progress / PROVISIONING_PROGRESS: i64,
        /// Step of the provisioning as text, e.g. `Post-Provisioning`; empty or `None` outside provisioning.
        provisioning_state / PROVISIONING_STATE: String,
        /// State for the dashboard: an object with `key` and `name`; version 6 only. Not on openBalena.
        state / STATE: Value,
        /// Activity as the supervisor reports it, e.g. `Idle`, `Downloading`, `Installing`; `None` before the first
        /// report.
        status / STATUS: String,
        /// Rank of `overall_status` for sorting; version 6 only. Not on openBalena.
        status_sort_index / STATUS_SORT_INDEX: i64,
        /// Supervisor version without a leading `v`, e.g. `14.13.8`; `None` before the first report.
        supervisor_version / SUPERVISOR_VERSION: String,
        /// 32 or 62 hexadecimal digits, chosen at registration; unique.
        uuid / UUID: String,
        /// IP address in the VPN; version 6 only, always `None` on openBalena.
        vpn_address / VPN_ADDRESS: String,
        /// Channel of a retired log service; version 6 only, always `None` on openBalena.
        logs_channel / LOGS_CHANNEL: String,
        /// Whether the supervisor polls its target state on time.
        api_heartbeat_state / API_HEARTBEAT_STATE: HeartbeatState,
        /// Time of the last change of `api_heartbeat_state`; `None` before the first; version 7 only.
        changed_api_heartbeat_state_on_date / CHANGED_API_HEARTBEAT_STATE_ON_DATE = "changed_api_heartbeat_state_on__date": Timestamp,
        /// Status of the last update, as the supervisor reports it; `None` before the first report. Older servers lack
        /// it.
        update_status / UPDATE_STATUS: UpdateStatus,
        /// Time of the last change of `update_status`; `None` before the first. Older servers lack it.
        last_update_status_event / LAST_UPDATE_STATUS_EVENT: Timestamp,
        /// Port of the supervisor API, usually 48484; `None` before the first report. Not in the published types.
        api_port / API_PORT: i64,
        /// Key of the supervisor API: anyone who has it and reaches the port controls the device. `None` before the
        /// first report. Not in the published types.
        api_secret / API_SECRET: SecretText,
        /// Memory in use, in MiB; `None` before the first report.
        memory_usage / MEMORY_USAGE: i64,
        /// Total memory, in MiB; `None` before the first report.
        memory_total / MEMORY_TOTAL: i64,
        /// Block device that `storage_usage` and `storage_total` measure, e.g. `/dev/mmcblk0p6`; `None` before the
        /// first report.
        storage_block_device / STORAGE_BLOCK_DEVICE: String,
        /// Storage in use on the data partition, in MiB; `None` before the first report.
        storage_usage / STORAGE_USAGE: i64,
        /// Size of the data partition, in MiB; `None` before the first report.
        storage_total / STORAGE_TOTAL: i64,
        /// CPU load, in percent (0–100); `None` before the first report.
        cpu_usage / CPU_USAGE: i64,
        /// CPU temperature, in °C; `None` if the device does not report it.
        cpu_temp / CPU_TEMP: i64,
        /// Serial number of the CPU; `None` if the device does not report it.
        cpu_id / CPU_ID: String,
        /// Whether the device reported a supply voltage that is too low.
        is_undervolted / IS_UNDERVOLTED: bool,
        /// Summary of connection, update and provisioning. The values differ between versions 6 and 7.
        overall_status / OVERALL_STATUS: OverallStatus,
        /// Progress in percent (0–100) of the download or the provisioning that `overall_status` shows; `None`
        /// otherwise.
        overall_progress / OVERALL_PROGRESS: i64,
    }
    navigation {
        /// Actor of the device, the owner of its API keys. Version 6 sends a plain id.
        #[serde(deserialize_with = "Nav::or_plain_id")]
        actor / ACTOR = "actor": Actor,
        /// Device type.
        is_of_device_type / DEVICE_TYPE = "is_of__device_type": DeviceType,
        /// Application (fleet) that the device belongs to.
        belongs_to_application / APPLICATION = "belongs_to__application": Application,
        /// User who registered the device; empty if a provisioning key did. Not on openBalena.
        belongs_to_user / USER = "belongs_to__user": User,
        /// Release that the device last reported to run; empty before that.
        is_running_release / IS_RUNNING_RELEASE = "is_running__release": Release,
        /// Version 6: release that the device is pinned to; empty if it follows its application. Version 7: target
        /// release, pinned or from the application; read only.
        should_be_running_release / SHOULD_BE_RUNNING_RELEASE = "should_be_running__release": Release,
        /// Release that the device is pinned to; empty if it follows its application; version 7 only.
        is_pinned_on_release / IS_PINNED_ON_RELEASE = "is_pinned_on__release": Release,
        /// Target release of the host OS; empty if none was set. Older servers lack it.
        should_be_operated_by_release / SHOULD_BE_OPERATED_BY_RELEASE = "should_be_operated_by__release": Release,
        /// Target release of the supervisor; empty if none was set; version 7 only.
        should_be_managed_by_release / SHOULD_BE_MANAGED_BY_RELEASE = "should_be_managed_by__release": Release,
        /// VPN server of the last connection; empty if the device never connected.
        is_managed_by_service_instance / SERVICE_INSTANCE = "is_managed_by__service_instance": ServiceInstance,
        /// Device that manages this one (gateway mode); version 6 only, always empty on openBalena.
        is_managed_by_device / IS_MANAGED_BY_DEVICE = "is_managed_by__device": Device,
        /// Target supervisor release; empty if none was set; version 6 only. Not on openBalena.
        should_be_managed_by_supervisor_release / SUPERVISOR_RELEASE = "should_be_managed_by__supervisor_release": SupervisorRelease,
        /// Configuration variables of the device; they override those of the application.
        device_config_variable / DEVICE_CONFIG_VARIABLE = "device_config_variable": DeviceConfigVariable,
        /// Environment variables for all services on the device; they override those of the application.
        device_environment_variable / DEVICE_ENVIRONMENT_VARIABLE = "device_environment_variable": DeviceVariable,
        /// Tags of the device.
        device_tag / DEVICE_TAG = "device_tag": DeviceTag,
        /// Host names of the device. Not on openBalena.
        device_domain_mapping / DEVICE_DOMAIN_MAPPING = "device_domain_mapping": DeviceDomainMapping,
        /// Services that the device has or had, one row each. Variables of one service on one device belong to these
        /// rows.
        service_install / SERVICE_INSTALL = "service_install": ServiceInstall,
        /// Images that the device has or had, one row each, with status and progress.
        image_install / IMAGE_INSTALL = "image_install": ImageInstall,
    }
}

resource! {
    /// Public view of a device in a public application.
    PublicDevice = "public_device", "public device" {
        /// Approximate latitude, in decimal degrees as text.
        latitude / LATITUDE: String,
        /// Approximate longitude, in decimal degrees as text.
        longitude / LONGITUDE: String,
        /// Whether the device was online recently; the period is not published.
        was_recently_online / WAS_RECENTLY_ONLINE: bool,
    }
    navigation {
        /// Public application that the device belongs to.
        belongs_to_application / APPLICATION = "belongs_to__application": Application,
        /// Device type.
        is_of_device_type / DEVICE_TYPE = "is_of__device_type": DeviceType,
    }
}

resource! {
    /// A server of balena's infrastructure that devices connect to, such as a VPN server.
    ServiceInstance = "service_instance", "service instance" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Time at which the server registered itself.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row.
        modified_at / MODIFIED_AT: Timestamp,
        /// Kind of service, e.g. `vpn`. Not in the published types of version 7.
        service_type / SERVICE_TYPE: String,
        /// IP address of the server.
        ip_address / IP_ADDRESS: String,
        /// Time of the last sign of life, as text. Not in the published types of version 7.
        last_heartbeat / LAST_HEARTBEAT: String,
    }
    navigation {
        /// Devices connected to the server.
        manages_device / DEVICE = "manages__device": Device,
    }
}

resource! {
    /// A host name of a device. The documentation of version 6 does not list the resource.
    DeviceDomainMapping = "device_domain_mapping", "device domain mapping" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Time of creation.
        created_at / CREATED_AT: Timestamp,
        /// Fully qualified host name, e.g. `gate.example.org`.
        fqdn / FQDN: String,
    }
    navigation {
        /// Device that the host name belongs to.
        device / DEVICE = "device": Device,
    }
}
