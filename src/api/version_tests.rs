//! Names that differ between the versions of the API.

use std::sync::Arc;

use serde_json::json;

use super::billing::{BillingCycle, PlanChange};
use crate::resource::test_util::MockTransport;
use crate::rows::{Actor, Application, Device, DeviceHistory, DeviceType, DeviceTypeAlias, OverallStatus};
use crate::{ApiVersion, Balena};

fn cloud(api_version: ApiVersion, body: &'static str) -> (Balena, Arc<MockTransport>) {
    MockTransport::cloud(api_version, 200, body)
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
        balena.application().get_all().expand(Application::PUBLIC_ORGANIZATION).await.err(),
        devices().expand(Device::ACTOR.expand(Actor::PUBLIC_DEVICE)).await.err(),
        balena
            .device()
            .history()
            .get_all_by_device(5)
            .expand(DeviceHistory::SHOULD_BE_RUNNING_RELEASE)
            .await
            .err(),
    ];
    for (index, error) in refused.into_iter().enumerate() {
        let error = error.unwrap_or_else(|| panic!("number {index} went through"));
        assert!(error.is_unsupported() && !error.was_sent(), "{error}");
    }
    assert_eq!(*transport.asked.lock().unwrap(), [""; 0]);

    // A value may contain any name.
    devices().filter(Device::NOTE.eq("it's the vpn_address of 'logs_channel'")).await.unwrap();
    devices().filter(Device::LOCATION.contains("vpn_address")).await.unwrap();
    assert_eq!(transport.asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn what_version_6_does_not_have_yet_is_refused_before_anything_is_sent() {
    let (balena, transport) = cloud(ApiVersion::V6, r#"{"d":[]}"#);
    let devices = || balena.device().get_all();
    let nested = Application::DEVICE.expand(Device::IS_PINNED_ON_RELEASE);
    let refused = [
        devices().select(["id", "is_pinned_on__release"]).await.err(),
        devices().expand(Device::IS_PINNED_ON_RELEASE).await.err(),
        devices().expand(Device::IS_PINNED_ON_RELEASE.count()).await.err(),
        devices().filter(Device::IS_PINNED_ON_RELEASE.id().eq(5)).await.err(),
        devices().filter(Device::IS_PINNED_ON_RELEASE.id().eq(5)).count().await.err(),
        devices().order_by(Device::IS_PINNED_ON_RELEASE.id().asc()).await.err(),
        devices().options(&json!({ "$filter": "is_pinned_on__release eq 5" })).await.err(),
        devices().options(&json!({ "$filter": { "is_pinned_on__release": { "id": 5 } } })).await.err(),
        devices().expand(Device::IS_PINNED_ON_RELEASE).pages(5).next().await.and_then(Result::err),
        balena.device().get(5).expand(Device::IS_PINNED_ON_RELEASE).await.err(),
        balena.device().get_with_service_details(5).select(["is_pinned_on__release"]).await.err(),
        balena.application().get_all().expand(nested).await.err(),
        balena
            .device()
            .history()
            .get_all_by_device(5)
            .expand(DeviceHistory::IS_PINNED_ON_RELEASE)
            .await
            .err(),
    ];
    for (index, error) in refused.into_iter().enumerate() {
        let error = error.unwrap_or_else(|| panic!("number {index} went through"));
        assert!(error.is_unsupported() && !error.was_sent(), "{error}");
        let words = "`is_pinned_on__release` exists from version 7 on; under version 6 use \
                     `should_be_running__release`";
        assert!(error.to_string().contains(words), "{error}");
    }
    assert_eq!(*transport.asked.lock().unwrap(), [""; 0]);

    // A name that version 6 has, and an unknown one.
    devices().select(["update_status", "brand_new"]).await.unwrap();
    balena
        .device()
        .history()
        .get_all_by_device(5)
        .expand(DeviceHistory::SHOULD_BE_MANAGED_BY_RELEASE)
        .await
        .unwrap();
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
        let row = r#"{"d":[{"should_be_running__release":null,"is_pinned_on__release":null}]}"#;
        let (balena, transport) = cloud(version, row);
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
