//! The resources that a device key can read, their columns, and what the key may write.

/// What a device key may do with the rows of a resource that it can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writes {
    Nothing,
    /// `PATCH` of some columns.
    Columns(&'static [&'static str]),
    /// Create and update, not delete.
    CreateAndUpdate,
    /// Create, update and delete.
    All,
}

/// A resource.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) name: &'static str,
    /// Columns, besides the common ones and those of the key.
    pub(super) columns: &'static [&'static str],
    /// Columns that refer to a row of another resource.
    pub(super) references: &'static [(&'static str, &'static str)],
    /// Columns that are unique together.
    pub(super) key: &'static [&'static str],
    pub(super) writes: Writes,
}

/// Columns that every row has.
const COMMON: [&str; 3] = ["id", "created_at", "modified_at"];

/// Columns of a device that its own key may change.
const DEVICE_WRITES: &[&str] =
    &["device_name", "note", "custom_latitude", "custom_longitude", "local_id", "is_pinned_on__release"];

const DEVICE: &[&str] = &[
    "actor",
    "api_heartbeat_state",
    "uuid",
    "local_id",
    "device_name",
    "note",
    "is_of__device_type",
    "belongs_to__application",
    "is_online",
    "last_connectivity_event",
    "is_connected_to_vpn",
    "last_vpn_event",
    "is_locked_until__date",
    "public_address",
    "ip_address",
    "mac_address",
    "is_web_accessible",
    "memory_usage",
    "memory_total",
    "storage_block_device",
    "storage_usage",
    "storage_total",
    "cpu_usage",
    "cpu_temp",
    "is_undervolted",
    "cpu_id",
    "is_running__release",
    "download_progress",
    "status",
    "os_version",
    "os_variant",
    "overall_status",
    "overall_progress",
    "supervisor_version",
    "provisioning_progress",
    "provisioning_state",
    "is_pinned_on__release",
    "should_be_running__release",
    "should_be_operated_by__release",
    "should_be_managed_by__release",
    "update_status",
    "last_update_status_event",
    "custom_latitude",
    "custom_longitude",
];

const APPLICATION: &[&str] = &[
    "actor",
    "should_track_latest_release",
    "is_of__class",
    "organization",
    "app_name",
    "slug",
    "is_for__device_type",
    "should_be_running__release",
    "is_host",
    "is_archived",
    "uuid",
    "is_public",
];

const RELEASE: &[&str] = &[
    "belongs_to__application",
    "commit",
    "status",
    "source",
    "is_invalidated",
    "start_timestamp",
    "end_timestamp",
    "is_final",
    "raw_version",
    "semver",
    "revision",
    "note",
];

const INSTALL: &[&str] =
    &["device", "image", "is_provided_by__release", "status", "download_progress", "install_date"];

const fn variables(
    name: &'static str,
    key: &'static [&'static str],
    references: &'static [(&'static str, &'static str)],
    writes: Writes,
) -> Resource {
    Resource { name, columns: &["value"], references, key, writes }
}

const fn readable(
    name: &'static str,
    columns: &'static [&'static str],
    references: &'static [(&'static str, &'static str)],
) -> Resource {
    Resource { name, columns, references, key: &[], writes: Writes::Nothing }
}

const TO_DEVICE: &[(&str, &str)] = &[("device", "device")];
const TO_APPLICATION: &[(&str, &str)] = &[("application", "application")];

const RESOURCES: &[Resource] = &[
    Resource {
        name: "device",
        columns: DEVICE,
        references: &[
            ("is_of__device_type", "device_type"),
            ("belongs_to__application", "application"),
            ("is_running__release", "release"),
            ("is_pinned_on__release", "release"),
            ("should_be_running__release", "release"),
            ("should_be_operated_by__release", "release"),
            ("should_be_managed_by__release", "release"),
        ],
        key: &["uuid"],
        writes: Writes::Columns(DEVICE_WRITES),
    },
    variables("device_tag", &["device", "tag_key"], TO_DEVICE, Writes::All),
    variables("device_environment_variable", &["device", "name"], TO_DEVICE, Writes::All),
    variables("device_config_variable", &["device", "name"], TO_DEVICE, Writes::CreateAndUpdate),
    variables(
        "device_service_environment_variable",
        &["service_install", "name"],
        &[("service_install", "service_install")],
        Writes::All,
    ),
    variables("application_tag", &["application", "tag_key"], TO_APPLICATION, Writes::Nothing),
    variables("application_environment_variable", &["application", "name"], TO_APPLICATION, Writes::Nothing),
    variables("application_config_variable", &["application", "name"], TO_APPLICATION, Writes::Nothing),
    variables(
        "service_environment_variable",
        &["service", "name"],
        &[("service", "service")],
        Writes::Nothing,
    ),
    variables("release_tag", &["release", "tag_key"], &[("release", "release")], Writes::Nothing),
    readable(
        "application",
        APPLICATION,
        &[("should_be_running__release", "release"), ("is_for__device_type", "device_type")],
    ),
    readable("release", RELEASE, &[("belongs_to__application", "application")]),
    readable("service", &["application", "service_name"], TO_APPLICATION),
    readable(
        "service_install",
        &["device", "installs__service"],
        &[("device", "device"), ("installs__service", "service")],
    ),
    readable(
        "image",
        &["is_a_build_of__service", "is_stored_at__image_location", "content_hash"],
        &[("is_a_build_of__service", "service")],
    ),
    readable(
        "release_image",
        &["image", "is_part_of__release"],
        &[("image", "image"), ("is_part_of__release", "release")],
    ),
    readable(
        "image_install",
        INSTALL,
        &[("device", "device"), ("image", "image"), ("is_provided_by__release", "release")],
    ),
    readable(
        "device_type",
        &["slug", "name", "is_of__cpu_architecture"],
        &[("is_of__cpu_architecture", "cpu_architecture")],
    ),
    readable("cpu_architecture", &["slug"], &[]),
];

/// Names of navigations to rows that refer to this one, where the name is not the other resource's.
const NAMED: &[(&str, &str, &str, &str)] = &[
    ("application", "owns__device", "device", "belongs_to__application"),
    ("application", "owns__release", "release", "belongs_to__application"),
    ("device_type", "describes__device", "device", "is_of__device_type"),
    ("release", "is_running_on__device", "device", "is_running__release"),
    ("release", "should_be_running_on__application", "application", "should_be_running__release"),
    ("release", "contains__image", "release_image", "is_part_of__release"),
    ("release", "release_image", "release_image", "is_part_of__release"),
    ("service", "is_built_by__image", "image", "is_a_build_of__service"),
    ("service", "service_install", "service_install", "installs__service"),
];

/// A version of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V6,
    V7,
}

/// Column of a device in version 6: the release that it is pinned to. Version 7 has the name for the release that the
/// device should run, pinned or not.
const PINNED_V6: &str = "should_be_running__release";
const PINNED: &str = "is_pinned_on__release";

impl Version {
    /// Returns the stored name of a column; rows are stored under version 7's names.
    pub(super) fn stored<'n>(self, resource: &Resource, name: &'n str) -> &'n str {
        match (self, resource.name, name) {
            (Self::V6, "device", PINNED_V6) => PINNED,
            (Self::V6, "device", PINNED | "should_be_managed_by__release") => "",
            _ => name,
        }
    }

    /// Returns this version's name of a stored column; `None` if it lacks the column.
    pub(super) fn shown<'n>(self, resource: &Resource, name: &'n str) -> Option<&'n str> {
        match (self, resource.name, name) {
            (Self::V6, "device", PINNED) => Some(PINNED_V6),
            (Self::V6, "device", PINNED_V6 | "should_be_managed_by__release") => None,
            _ => Some(name),
        }
    }
}

impl Resource {
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        RESOURCES.iter().find(|resource| resource.name == name)
    }

    pub(super) fn has_column(&self, name: &str) -> bool {
        COMMON.contains(&name) || self.columns.contains(&name) || self.key.contains(&name)
    }

    /// Returns the resource that a column refers to.
    pub(super) fn reference(&self, column: &str) -> Option<&'static Self> {
        let (_, target) = self.references.iter().find(|(name, _)| *name == column)?;
        Self::find(target)
    }

    /// Returns the resource whose rows refer to rows of this one, and its column, for the name of a navigation.
    pub(super) fn referring(&self, navigation: &str) -> Option<(&'static Self, &'static str)> {
        let named = NAMED.iter().find(|(own, name, ..)| *own == self.name && *name == navigation);
        if let Some((_, _, other, column)) = named {
            return Some((Self::find(other)?, column));
        }
        let other = Self::find(navigation)?;
        let (column, _) =
            other.references.iter().find(|(column, target)| *target == self.name && *column == self.name)?;
        Some((other, column))
    }
}
