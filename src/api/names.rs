//! What the versions of the API call differently: the one place that knows.
//!
//! Everything else is asked for in the same words, below another first part of the path. Rows read the answers
//! of both.

use percent_encoding::percent_decode_str;

use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::odata::Address;
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
}

const V6: Names = Names {
    pinned_release: "should_be_running__release",
    provisioning_keys: "/api-key/v1/",
    billing_plan: "",
    billing_cycle_by_name: true,
};

const V7: Names = Names {
    pinned_release: "is_pinned_on__release",
    provisioning_keys: "/api-key/v2/",
    billing_plan: "/plan",
    billing_cycle_by_name: false,
};

/// What version 7 has no more, and what to do instead. No other resource or column has one of these names.
const GONE: [(&str, &str); 12] = [
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
];

impl Core {
    /// Names and endpoints of the version that the settings say.
    pub(crate) fn names(&self) -> &'static Names {
        match self.settings.api_version {
            ApiVersion::V6 => &V6,
            ApiVersion::V7 => &V7,
        }
    }

    /// # Errors
    /// `is_unsupported` for a request that names what this version of the API no longer has.
    pub(crate) fn check_names(&self, address: &Address) -> Result<()> {
        if self.settings.api_version != ApiVersion::V7 {
            return Ok(());
        }
        // What stands in quotes is a value and no name.
        let address = address.to_string();
        for text in address.split('\'').step_by(2) {
            let text = percent_decode_str(text).decode_utf8_lossy();
            let mut names = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            if let Some((name, instead)) = names.find_map(|name| GONE.iter().find(|(gone, _)| *gone == name))
            {
                let text = format!("version 7 of the API has no `{name}`");
                return Err(Error::new(ErrorKind::Unsupported, text)
                    .help(format!("{instead}; or set api_version to version 6")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use secrecy::SecretString;
    use serde_json::json;

    use super::super::always::Always;
    use super::super::billing::{BillingCycle, PlanChange};
    use super::super::rows::{Application, Device, DeviceType, DeviceTypeAlias, OverallStatus};
    use crate::{ApiVersion, Balena, Retry, Settings};

    /// A client that speaks this version, to a cloud with one answer.
    fn cloud(api_version: ApiVersion, body: &'static str) -> (Balena, Arc<Always>) {
        let transport = Arc::new(Always { status: 200, body, asked: Mutex::default() });
        let balena = Balena::builder()
            .settings(Settings { api_version, ..Settings::default() })
            .token(SecretString::from("token"))
            .retry(Retry::never())
            .transport(transport.clone())
            .build();
        (balena, transport)
    }

    #[tokio::test]
    async fn what_version_7_has_no_more_is_refused_before_anything_is_sent() {
        let (balena, transport) = cloud(ApiVersion::V7, r#"{"d":[]}"#);
        let devices = || balena.device().get_all();
        let refused = [
            devices().select(["id", "vpn_address"]).await.err(),
            devices().expand(Device::SUPERVISOR_RELEASE).await.err(),
            devices().order_by(Device::STATUS_SORT_INDEX.asc()).await.err(),
            devices().options(&json!({ "$filter": "logs_channel eq null" })).await.err(),
            balena.application().get_all().expand(Application::DEPENDS_ON_APPLICATION).await.err(),
            balena
                .device_type()
                .get_all()
                .expand(DeviceType::DEVICE_TYPE_ALIAS.expand(DeviceTypeAlias::REFERENCES_DEVICE_TYPE))
                .await
                .err(),
        ];
        for (index, error) in refused.into_iter().enumerate() {
            let error = error.unwrap_or_else(|| panic!("number {index} went through"));
            assert!(error.is_unsupported() && !error.was_sent(), "{error}");
        }
        assert_eq!(*transport.asked.lock().unwrap(), [""; 0]);

        // A value may say anything.
        devices().filter(Device::NOTE.eq("it's the vpn_address of 'logs_channel'")).await.unwrap();
        devices().filter(Device::LOCATION.contains("vpn_address")).await.unwrap();
        assert_eq!(transport.asked.lock().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn version_6_still_has_it() {
        let (balena, transport) = cloud(ApiVersion::V6, r#"{"d":[]}"#);
        balena.device().get_all().select(["vpn_address"]).expand(Device::SUPERVISOR_RELEASE).await.unwrap();
        assert_eq!(transport.asked.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn each_version_has_its_own_name_for_the_release_that_a_device_is_pinned_to() {
        for (version, column) in
            [(ApiVersion::V6, "should_be_running__release"), (ApiVersion::V7, "is_pinned_on__release")]
        {
            let (balena, transport) = cloud(version, r#"{"d":[{}]}"#);
            assert!(balena.device().is_tracking_application_release(5).await.unwrap());
            let asked = transport.asked.lock().unwrap();
            let version = version.as_str();
            let url = format!("GET https://api.balena-cloud.com/{version}/device(5)?$select={column}");
            assert_eq!(*asked, [url]);
        }
    }

    #[tokio::test]
    async fn each_version_changes_plans_at_its_own_endpoint() {
        for (version, plan) in [(ApiVersion::V6, "5"), (ApiVersion::V7, "5/plan")] {
            let (balena, transport) = cloud(version, r#"{"d":[{"id":5}]}"#);
            let change = PlanChange::new("prototype", BillingCycle::Annual);
            balena.billing().change_plan(5, change).await.unwrap();
            let asked = transport.asked.lock().unwrap().pop();
            let url = format!("PATCH https://api.balena-cloud.com/billing/v1/account/{plan}");
            assert_eq!(asked, Some(url), "{version:?}");
        }
    }

    #[tokio::test]
    async fn writes_are_answered_with_nothing_in_version_7() {
        for (version, body) in [(ApiVersion::V6, "OK"), (ApiVersion::V7, "")] {
            let (balena, _) = cloud(version, body);
            balena.device().rename(5, "name").await.unwrap();
            balena.device().track_application_release(5).await.unwrap();
            balena.key().remove(5).await.unwrap();
        }
    }

    #[test]
    fn the_words_of_both_versions_are_known() {
        for word in [
            "inactive",
            "post-provisioning",
            "configuring",
            "updating",
            "offline",
            "idle",
            "disconnected",
            "reduced-functionality",
            "operational",
        ] {
            let status = OverallStatus::from(word);
            assert!(status.as_str() == word && !matches!(status, OverallStatus::Other(_)), "{word}");
        }
    }

    #[tokio::test]
    async fn an_actor_is_a_number_or_a_reference_or_a_row() {
        for (version, actor) in [
            (ApiVersion::V6, r#"{"d":[{"actor":7}]}"#),
            (ApiVersion::V7, r#"{"d":[{"actor":{"__id":7}}]}"#),
            (ApiVersion::V7, r#"{"d":[{"actor":[{"id":7}]}]}"#),
        ] {
            let (balena, transport) = cloud(version, actor);
            balena.api_key().get_provisioning_api_keys_by_application(5).await.unwrap();
            balena.api_key().get_device_api_keys_by_device(5).await.unwrap();
            let asked = transport.asked.lock().unwrap();
            let of_7 = asked.iter().filter(|url| url.contains("$filter=is_of__actor%20eq%207&"));
            assert_eq!(of_7.count(), 2, "{asked:?}");
        }
    }
}
