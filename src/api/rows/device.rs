//! Rows: devices, their host names, public devices, service instances.

use jiff::Timestamp;
use serde_json::Value;

use crate::api::resource::resource;
use crate::ids::DeviceId;
use crate::odata::Nav;

use super::{
    Actor, Application, DeviceConfigVariable, DeviceTag, DeviceType, DeviceVariable, HeartbeatState,
    ImageInstall, OverallStatus, Release, SecretText, ServiceInstall, SupervisorRelease, UpdateStatus, User,
};

resource! {
    /// A device.
    Device = "device", "device" {
        /// Number that the cloud gave it, unique among all devices.
        id / ID: DeviceId,
        /// When it was registered.
        created_at / CREATED_AT: Timestamp,
        /// When a column of the row changed last, by a user or by the device.
        modified_at / MODIFIED_AT: Timestamp,
        /// Latitude set by a user, in decimal degrees as text; the dashboard shows it instead of `latitude`. Empty
        /// when unset.
        custom_latitude / CUSTOM_LATITUDE: String,
        /// Longitude set by a user, in decimal degrees as text; the dashboard shows it instead of `longitude`.
        /// Empty when unset.
        custom_longitude / CUSTOM_LONGITUDE: String,
        /// Name shown to people. Two devices may have the same.
        device_name / DEVICE_NAME: String,
        /// Percent of the release that is downloaded, by the supervisor's last report; none while it downloads
        /// nothing.
        download_progress / DOWNLOAD_PROGRESS: i64,
        /// Addresses of its interfaces in its own networks, with spaces between; none before its first report.
        ip_address / IP_ADDRESS: String,
        /// Address that the cloud sees it call from.
        public_address / PUBLIC_ADDRESS: String,
        /// Hardware addresses of its interfaces, with spaces between; none before its first report.
        mac_address / MAC_ADDRESS: String,
        /// Until when balena's support may look into it; none when it may not.
        is_accessible_by_support_until_date / IS_ACCESSIBLE_BY_SUPPORT_UNTIL_DATE = "is_accessible_by_support_until__date": Timestamp,
        /// Whether its connection to the VPN is up: through that it is reached for actions, SSH and its URL.
        is_connected_to_vpn / IS_CONNECTED_TO_VPN: bool,
        /// Until when a user locked it against updates; none when it is not locked.
        is_locked_until_date / IS_LOCKED_UNTIL_DATE = "is_locked_until__date": Timestamp,
        /// Whether its port 80 is open to everybody at its public device URL.
        is_web_accessible / IS_WEB_ACCESSIBLE: bool,
        /// Whether it counts for the plan; false after it was deactivated.
        is_active / IS_ACTIVE: bool,
        /// Whether it was put out of service because the plan does not cover it. Servers without billing lack it.
        is_frozen / IS_FROZEN: bool,
        /// Whether the cloud hears of it now.
        is_online / IS_ONLINE: bool,
        /// When it came online or went offline last; none when it never was online.
        last_connectivity_event / LAST_CONNECTIVITY_EVENT: Timestamp,
        /// When its connection to the VPN came or went last; none when there never was one.
        last_vpn_event / LAST_VPN_EVENT: Timestamp,
        /// Latitude that its public address is thought to be at, in decimal degrees as text. Servers that do not
        /// locate addresses lack it.
        latitude / LATITUDE: String,
        /// Id of a device that another one managed on its behalf; none of others.
        local_id / LOCAL_ID: String,
        /// Place that its public address is thought to be at, e.g. `Athens, Greece`. Servers that do not locate
        /// addresses lack it.
        location / LOCATION: String,
        /// Longitude that its public address is thought to be at, in decimal degrees as text. Servers that do not
        /// locate addresses lack it.
        longitude / LONGITUDE: String,
        /// Free text of its users; none or empty when there is none.
        note / NOTE: String,
        /// `dev` or `prod`; none before its first report, and of a host OS that does not tell.
        os_variant / OS_VARIANT: String,
        /// Host OS by its own name, e.g. `balenaOS 2.98.33`; none before its first report.
        os_version / OS_VERSION: String,
        /// Percent of the provisioning that is done, while it is provisioned.
        provisioning_progress / PROVISIONING_PROGRESS: i64,
        /// What the provisioning does, in words; empty or none when it does nothing.
        provisioning_state / PROVISIONING_STATE: String,
        /// State for the dashboard, an object of `key` and `name`; version 6 only, and not on every server.
        state / STATE: Value,
        /// What the supervisor says that it does, e.g. `Idle`, `Downloading`, `Installing`; none before its first
        /// report.
        status / STATUS: String,
        /// Rank of `overall_status` for sorting; version 6 only, and not on every server.
        status_sort_index / STATUS_SORT_INDEX: i64,
        /// Version of the supervisor without a `v`, e.g. `14.13.8`; none before its first report.
        supervisor_version / SUPERVISOR_VERSION: String,
        /// 32 or 62 hexadecimal digits that it chose, unique among all devices.
        uuid / UUID: String,
        /// Address in the VPN; version 6 only.
        vpn_address / VPN_ADDRESS: String,
        /// Channel of the log service that came before the API's own; version 6 only, and mostly empty.
        logs_channel / LOGS_CHANNEL: String,
        /// Whether the supervisor's calls for its target state come in time.
        api_heartbeat_state / API_HEARTBEAT_STATE: HeartbeatState,
        /// Since when `api_heartbeat_state` is what it is; version 7 only.
        changed_api_heartbeat_state_on_date / CHANGED_API_HEARTBEAT_STATE_ON_DATE = "changed_api_heartbeat_state_on__date": Timestamp,
        /// How far the last update is, in the supervisor's words; none before the first. Older servers lack it.
        update_status / UPDATE_STATUS: UpdateStatus,
        /// When `update_status` changed last. Older servers lack it.
        last_update_status_event / LAST_UPDATE_STATUS_EVENT: Timestamp,
        /// Port that its supervisor's API listens on, usually 48484; none before its first report. The published
        /// types do not list it.
        api_port / API_PORT: i64,
        /// Key of its supervisor's API: who has it and reaches the port controls the device. The published types do
        /// not list it.
        api_secret / API_SECRET: SecretText,
        /// Memory in use, in MiB; none before its first report.
        memory_usage / MEMORY_USAGE: i64,
        /// Memory that it has, in MiB; none before its first report.
        memory_total / MEMORY_TOTAL: i64,
        /// Block device that the storage figures are about, e.g. `/dev/mmcblk0p6`; none before its first report.
        storage_block_device / STORAGE_BLOCK_DEVICE: String,
        /// Storage in use, in MiB; none before its first report.
        storage_usage / STORAGE_USAGE: i64,
        /// Storage that the data partition has, in MiB; none before its first report.
        storage_total / STORAGE_TOTAL: i64,
        /// Load of its processor, in percent; none before its first report.
        cpu_usage / CPU_USAGE: i64,
        /// Temperature of its processor, in °C; none when it does not measure it.
        cpu_temp / CPU_TEMP: i64,
        /// Serial number of its processor; none when it has none.
        cpu_id / CPU_ID: String,
        /// Whether its supply voltage was too low.
        is_undervolted / IS_UNDERVOLTED: bool,
        /// Its state in one word, as the dashboard shows it. The words differ by version.
        overall_status / OVERALL_STATUS: OverallStatus,
        /// Percent of what `overall_status` says that it does; none when that has no end.
        overall_progress / OVERALL_PROGRESS: i64,
    }
    navigation {
        /// What acts in its name; a plain id in version 6.
        #[serde(deserialize_with = "Nav::or_plain_id")]
        actor / ACTOR = "actor": Actor,
        /// What kind of board it is.
        is_of_device_type / DEVICE_TYPE = "is_of__device_type": DeviceType,
        /// The fleet that it is in.
        belongs_to_application / APPLICATION = "belongs_to__application": Application,
        /// Who registered it; nothing of a device that a provisioning key registered.
        belongs_to_user / USER = "belongs_to__user": User,
        /// The release that it reported last to run; nothing before that.
        is_running_release / IS_RUNNING_RELEASE = "is_running__release": Release,
        /// In version 6 the release that it is pinned to, nothing where it follows its application. In version 7
        /// the release that it should run in the end, whichever way; read only.
        should_be_running_release / SHOULD_BE_RUNNING_RELEASE = "should_be_running__release": Release,
        /// The release that it is pinned to, nothing where it follows its application; version 7 only.
        is_pinned_on_release / IS_PINNED_ON_RELEASE = "is_pinned_on__release": Release,
        /// The release of the host OS that it should run; nothing where nobody chose one. Older servers lack it.
        should_be_operated_by_release / SHOULD_BE_OPERATED_BY_RELEASE = "should_be_operated_by__release": Release,
        /// The release of the supervisor that it should run; version 7 only.
        should_be_managed_by_release / SHOULD_BE_MANAGED_BY_RELEASE = "should_be_managed_by__release": Release,
        /// The server of the VPN that it is connected to; nothing when it is not.
        is_managed_by_service_instance / SERVICE_INSTANCE = "is_managed_by__service_instance": ServiceInstance,
        /// The device that managed it on its behalf; version 6 only.
        is_managed_by_device / IS_MANAGED_BY_DEVICE = "is_managed_by__device": Device,
        /// The supervisor that it should run; version 6 only.
        should_be_managed_by_supervisor_release / SUPERVISOR_RELEASE = "should_be_managed_by__supervisor_release": SupervisorRelease,
        /// Configuration variables of its own, which count before its application's.
        device_config_variable / DEVICE_CONFIG_VARIABLE = "device_config_variable": DeviceConfigVariable,
        /// Environment variables of its own for all of its services, which count before its application's.
        device_environment_variable / DEVICE_ENVIRONMENT_VARIABLE = "device_environment_variable": DeviceVariable,
        /// Tags of its own.
        device_tag / DEVICE_TAG = "device_tag": DeviceTag,
        /// Host names of its own. Servers without public device URLs lack it.
        device_domain_mapping / DEVICE_DOMAIN_MAPPING = "device_domain_mapping": DeviceDomainMapping,
        /// Services that it has or had, one row each: variables of a service on this device hang there.
        service_install / SERVICE_INSTALL = "service_install": ServiceInstall,
        /// Images that it has or had, one row each, with what the supervisor says of them.
        image_install / IMAGE_INSTALL = "image_install": ImageInstall,
    }
}

resource! {
    /// What everybody may see of a device that is in a public application and online.
    PublicDevice = "public_device", "public device" {
        /// Latitude in decimal degrees as text, roughly where it is.
        latitude / LATITUDE: String,
        /// Longitude in decimal degrees as text, roughly where it is.
        longitude / LONGITUDE: String,
        /// Whether it was online lately.
        was_recently_online / WAS_RECENTLY_ONLINE: bool,
    }
    navigation {
        /// The public application that it is in.
        belongs_to_application / APPLICATION = "belongs_to__application": Application,
        /// What kind of board it is.
        is_of_device_type / DEVICE_TYPE = "is_of__device_type": DeviceType,
    }
}

resource! {
    /// A server of the cloud that devices are connected to, as to the VPN.
    ServiceInstance = "service_instance", "service instance" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// When it joined.
        created_at / CREATED_AT: Timestamp,
        /// When a column of the row changed last.
        modified_at / MODIFIED_AT: Timestamp,
        /// What it does, e.g. `vpn`. The published types of version 7 do not list it.
        service_type / SERVICE_TYPE: String,
        /// Address that the cloud reaches it at.
        ip_address / IP_ADDRESS: String,
        /// When it said last that it is alive. The published types of version 7 do not list it.
        last_heartbeat / LAST_HEARTBEAT: String,
    }
    navigation {
        /// Devices that are connected to it.
        manages_device / DEVICE = "manages__device": Device,
    }
}

resource! {
    /// A host name of a device. The documentation of version 6 does not list the resource.
    DeviceDomainMapping = "device_domain_mapping", "device domain mapping" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// The whole host name, e.g. `gate.example.org`.
        fqdn / FQDN: String,
    }
    navigation {
        /// The device that answers to it.
        device / DEVICE = "device": Device,
    }
}
