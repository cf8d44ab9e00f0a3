//! Names and endpoints that differ between the versions of the API.
//!
//! All other requests differ only in the version in the path. The row types read responses of both versions.

use percent_encoding::percent_decode_str;

use crate::settings::ApiVersion;

#[cfg(test)]
mod tests;
mod walk;

use walk::find_name;
#[cfg(test)]
pub(crate) use walk::leads_to;

/// The names and endpoints of one version.
#[derive(Debug)]
pub(crate) struct VersionNames {
    /// Column of a device: the release that it is pinned to, null if it follows its application. In version 7,
    /// version 6's name of it means the release that the device should run, pinned or not.
    pub(crate) pinned_release: &'static str,
    /// Endpoint that creates provisioning keys, with which devices join an application.
    pub(crate) provisioning_keys: &'static str,
    /// Field of a billing account that a change of plan sets.
    pub(crate) billing_plan: &'static str,
    /// Whether the field has the billing cycle as a name too, besides the annual flag.
    pub(crate) billing_cycle_by_name: bool,
    /// Names that the version lacks, and their replacements.
    lacks: &'static [UnsupportedName],
}

/// A name that a version of the API lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnsupportedName {
    /// Resource of the column or navigation; the missing resource itself if `name` is empty.
    pub(crate) resource: &'static str,
    /// Name of the column or navigation.
    pub(crate) name: &'static str,
    /// What to do instead, as the end of a sentence: `use …`.
    instead: &'static str,
}

const fn lacking(resource: &'static str, name: &'static str, instead: &'static str) -> UnsupportedName {
    UnsupportedName { resource, name, instead }
}

const NOTHING: &str = "it has no replacement";
const BY_SERVICE_INSTALL: &str = "use `service_install/device_service_environment_variable`";

const V6: VersionNames = VersionNames {
    pinned_release: "should_be_running__release",
    provisioning_keys: "/api-key/v1/",
    billing_plan: "",
    billing_cycle_by_name: true,
    lacks: &[
        lacking("device", "is_pinned_on__release", "use `should_be_running__release`"),
        lacking(
            "device",
            "should_be_managed_by__release",
            "use `should_be_managed_by__supervisor_release` and `supervisor_version`",
        ),
        lacking("device", "changed_api_heartbeat_state_on__date", "use `last_connectivity_event`"),
        lacking("device_history", "is_pinned_on__release", "use `should_be_running__release`"),
        lacking("device_type", "describes_device", "use `describes__device`"),
        lacking("device_type_alias", "references__device_type", "use `device_type`"),
        lacking("release", "is_pinned_to__device", "use `should_be_running_on__device`"),
        lacking("release", "should_manage__device", NOTHING),
        lacking("release", "release_asset", "read the assets of the release with a request of their own"),
        lacking("release_asset", "", "they have no replacement"),
        lacking("service", "device_service_environment_variable", BY_SERVICE_INSTALL),
        lacking("service_install", "application", "use `installs__service/application`"),
    ],
};

const V7: VersionNames = VersionNames {
    pinned_release: "is_pinned_on__release",
    provisioning_keys: "/api-key/v2/",
    billing_plan: "/plan",
    billing_cycle_by_name: false,
    lacks: &[
        lacking("actor", "is_of__public_device", "use `is_of__device`"),
        lacking("application", "depends_on__application", "no application depends on another"),
        lacking("application", "is_depended_on_by__application", "no application depends on another"),
        lacking("application", "public_organization", "use `organization`"),
        lacking("device", "gateway_download", "no device is behind another"),
        lacking("device", "is_managed_by__device", "no device is behind another"),
        lacking("device", "logs_channel", NOTHING),
        lacking("device", "should_be_managed_by__supervisor_release", "use `should_be_managed_by__release`"),
        lacking("device", "state", "use `overall_status`"),
        lacking("device", "status_sort_index", "order by `overall_status`"),
        lacking("device", "vpn_address", NOTHING),
        lacking("device_history", "should_be_running__release", "use `is_pinned_on__release`"),
        lacking("device_type", "describes_device", "use `describes__device`"),
        lacking("device_type_alias", "references__device_type", "use `device_type`"),
        lacking("my_application", "", "read applications, filtered by `is_directly_accessible_by__user`"),
        lacking("public_organization", "id", "use `handle`"),
        lacking("release", "release_type", "use `is_final`"),
        lacking("service", "device_service_environment_variable", BY_SERVICE_INSTALL),
        lacking("service_install", "application", "use `installs__service/application`"),
        lacking(
            "supervisor_release",
            "",
            "the supervisors are releases of the applications `balena_os/<architecture>-supervisor`",
        ),
    ],
};

impl ApiVersion {
    /// Returns the names and endpoints of this version.
    pub(crate) fn names(self) -> &'static VersionNames {
        match self {
            Self::V6 => &V6,
            Self::V7 => &V7,
        }
    }

    /// Returns why this version can't serve a request: the name that it lacks, and what to do instead.
    pub(crate) fn refusal(self, path: &str, query: &str) -> Option<String> {
        let root = path.split(['(', '/']).next().unwrap_or_default();
        let query = percent_decode_str(query).decode_utf8_lossy();
        let lacks = |resource: &str, name: &str| self.names().lacking(resource, name);
        let found = lacks(root, "").or_else(|| find_name(root, &query, lacks))?;
        let UnsupportedName { resource, name, instead } = *found;
        let what = if name.is_empty() { resource } else { name };
        Some(match self {
            _ if self.other().names().lacking(resource, name).is_some() => {
                format!("`{what}` is a name that no version of the API has; {instead}")
            }
            Self::V6 => format!("`{what}` exists from version 7 on; under version 6 {instead}"),
            Self::V7 => format!("`{what}` exists up to version 6; under version 7 {instead}"),
        })
    }

    fn other(self) -> Self {
        match self {
            Self::V6 => Self::V7,
            Self::V7 => Self::V6,
        }
    }
}

impl VersionNames {
    /// Returns the entry of this name, if the version lacks it.
    pub(crate) fn lacking(&self, resource: &str, name: &str) -> Option<&'static UnsupportedName> {
        self.lacks.iter().find(|lacking| lacking.resource == resource && lacking.name == name)
    }

    #[cfg(test)]
    pub(crate) fn lacks(&self) -> &'static [UnsupportedName] {
        self.lacks
    }
}
