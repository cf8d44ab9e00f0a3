//! What the versions of the API call differently: the one place that knows.
//!
//! Everything else is asked for in the same words, below another first part of the path. Rows read the answers
//! of both.

use percent_encoding::percent_decode_str;

use crate::settings::ApiVersion;

/// Names and endpoints, as one version has them.
#[derive(Debug)]
pub(crate) struct Names {
    /// Column of a device: the release that it is pinned to, null where it follows its application. In version
    /// 7 the name of version 6 stands for what the device runs in the end, pinned or not.
    pub(crate) pinned_release: &'static str,
    /// Where the keys are made with which devices join an application.
    pub(crate) provisioning_keys: &'static str,
    /// What of a billing account is changed for another plan.
    pub(crate) billing_plan: &'static str,
    /// Whether that says how often is paid in a word too, besides whether it is once a year.
    pub(crate) billing_cycle_by_name: bool,
    /// What the version has no more, and what to do instead. No other resource or column has one of these names.
    gone: &'static [(&'static str, &'static str)],
}

const V6: Names = Names {
    pinned_release: "should_be_running__release",
    provisioning_keys: "/api-key/v1/",
    billing_plan: "",
    billing_cycle_by_name: true,
    gone: &[],
};

const V7: Names = Names {
    pinned_release: "is_pinned_on__release",
    provisioning_keys: "/api-key/v2/",
    billing_plan: "/plan",
    billing_cycle_by_name: false,
    gone: &[
        ("my_application", "ask for applications, filtered by is_directly_accessible_by__user"),
        (
            "supervisor_release",
            "supervisors are releases of the applications balena_os/<architecture>-supervisor",
        ),
        ("should_be_managed_by__supervisor_release", "ask for should_be_managed_by__release"),
        ("references__device_type", "ask for device_type"),
        ("release_type", "ask for is_final"),
        ("gateway_download", "no device has one"),
        ("depends_on__application", "no application has one"),
        ("is_depended_on_by__application", "no application has one"),
        ("is_managed_by__device", "no device has one"),
        ("vpn_address", "nothing stands for it"),
        ("logs_channel", "nothing stands for it"),
        ("status_sort_index", "order by overall_status"),
    ],
};

impl ApiVersion {
    /// Names and endpoints of this version.
    pub(crate) fn names(self) -> &'static Names {
        match self {
            Self::V6 => &V6,
            Self::V7 => &V7,
        }
    }
}

impl Names {
    /// What an address names that the version has no more, and what to do instead.
    pub(crate) fn gone(&self, address: &str) -> Option<(&'static str, &'static str)> {
        if self.gone.is_empty() {
            return None;
        }
        // What stands in quotes is a value and no name.
        address.split('\'').step_by(2).find_map(|text| {
            let text = percent_decode_str(text).decode_utf8_lossy();
            let mut names = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            names.find_map(|name| self.gone.iter().find(|(gone, _)| *gone == name)).copied()
        })
    }
}
