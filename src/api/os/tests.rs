//! Cases that no recorded call covers.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::resource::test_util::MockTransport;
use crate::rows::Release;
use crate::{ApiVersion, Balena, DeviceId, Error};

fn answering(api_version: ApiVersion, body: &'static str) -> (Balena, Arc<MockTransport>) {
    MockTransport::cloud(api_version, 200, body)
}

#[tokio::test]
async fn nonsense_is_refused_before_anything_is_sent() {
    let (balena, transport) = answering(ApiVersion::V7, r#"{"d":[]}"#);
    let (os, devices) = (balena.os(), balena.device());
    let max = |range: &str| os.get_max_satisfying_version("raspberrypi3").version_or_range(range);
    let errors: Vec<Option<Error>> = vec![
        os.get_available_os_versions("").await.err(),
        os.get_available_os_versions([" "]).await.err(),
        os.get_available_os_versions(Vec::<String>::new()).await.err(),
        os.get_all_os_versions(["raspberrypi3", ""]).await.err(),
        os.get_all_os_versions("raspberrypi3").options(&json!({ "$bad": 1 })).await.err(),
        os.get_all_os_versions("raspberrypi3").options(&json!({ "$count": {} })).await.err(),
        os.get_download_size("").await.err(),
        os.get_download_size("raspberrypi3").version(" ").await.err(),
        max("").await.err(),
        max("newest").await.err(),
        max(">=").await.err(),
        max("2.80.0.1").await.err(),
        os.get_max_satisfying_version(" ").await.err(),
        os.get_supported_os_update_versions("raspberrypi3", "").await.err(),
        os.get_supported_os_update_versions("raspberrypi3", "garbage").await.err(),
        os.get_supported_os_update_versions("", "2.98.33").await.err(),
        os.get_os_update_type("", "2.80.0", "2.98.33").await.err(),
        os.get_config("", "2.98.33").await.err(),
        os.get_config(5, "").await.err(),
        os.get_supervisor_releases_for_cpu_architecture("").await.err(),
        os.get_supervisor_releases_for_cpu_architecture(0).await.err(),
        devices.start_os_update("", "2.98.33").await.err(),
        devices.start_os_update(0, "2.98.33").await.err(),
        devices.start_os_update(5, " ").await.err(),
        devices.start_os_update(["8deb12a"], "2.98.33").await.err(),
        devices.get_os_update_status("").await.err(),
        devices.pin_to_os_release("", "2.98.33").await.err(),
        devices.pin_to_os_release(5, "").await.err(),
        devices.pin_to_os_release(5, 0).await.err(),
        devices.pin_to_os_release(["8deb12a"], "2.98.33").await.err(),
        devices.set_supervisor_release(5, "").await.err(),
        devices.set_supervisor_release([0], "13.0.0").await.err(),
    ];
    for (index, error) in errors.into_iter().enumerate() {
        let error = error.unwrap_or_else(|| panic!("number {index} went through"));
        assert!(error.is_invalid_argument() && !error.was_sent(), "number {index}: {error}");
    }
    devices.pin_to_os_release(Vec::<DeviceId>::new(), "2.98.33").await.unwrap();
    devices.set_supervisor_release(Vec::<DeviceId>::new(), "13.0.0").await.unwrap();
    assert!(devices.start_os_update(Vec::<DeviceId>::new(), "2.98.33").await.unwrap().is_empty());
    assert_eq!(*transport.asked.lock().unwrap(), [""; 0]);
}

#[tokio::test]
async fn version_6_can_not_pin_the_host_os() {
    let (balena, transport) = answering(ApiVersion::V6, r#"{"d":[]}"#);
    let error = balena.device().pin_to_os_release(5, "2.98.33").await.unwrap_err();
    assert!(error.is_unsupported() && error.to_string().contains("start_os_update"), "{error}");
    assert_eq!(*transport.asked.lock().unwrap(), [""; 0]);
}

const APPS: &str = r#"{"d":[
    {"is_for__device_type":[{"slug":"a"}],"application_tag":[],"owns__release":[
        {"id":1,"raw_version":"2.9.0","variant":"","release_tag":[]},
        {"id":2,"raw_version":"2.10.0+rev1.dev","variant":"dev","release_tag":[]},
        {"id":3,"raw_version":"2.10.0+rev1","variant":null,"known_issue_list":"slow","release_tag":[]},
        {"id":4,"raw_version":"2.11","variant":"","release_tag":[]},
        {"id":5,"raw_version":"0.0.0-1","release_tag":[{"tag_key":"version","value":"2019.10.0"},
            {"tag_key":"variant","value":"development"}]}]},
    {"is_for__device_type":[],"owns__release":[{"id":9,"raw_version":"9.0.0"}]},
    {"is_for__device_type":[{"slug":"b"}]}]}"#;

#[tokio::test]
async fn versions_are_sorted_and_the_best_one_is_recommended() {
    for (api, order) in [(ApiVersion::V6, [5, 2, 3, 1]), (ApiVersion::V7, [5, 3, 2, 1])] {
        let (balena, _) = answering(api, APPS);
        let found = balena.os().get_all_os_versions("a").await.unwrap();
        let ids: Vec<i64> = found.iter().filter_map(|version| Some(version.release.id?.get())).collect();
        assert_eq!(ids, order, "what tells no version is left out");
        let recommended: Vec<&str> =
            found.iter().filter(|found| found.is_recommended).map(super::OsVersion::raw_version).collect();
        assert_eq!(recommended, ["2.9.0"]);
        assert_eq!(found[0].raw_version(), "2019.10.0.dev");
        assert_eq!(found[0].release.variant.as_deref(), Some("dev"));

        let both = balena.os().get_all_os_versions(["a", "b", "c"]).await.unwrap();
        let counts: Vec<(&str, usize)> = both.iter().map(|(slug, found)| (&**slug, found.len())).collect();
        assert_eq!(counts, [("a", 4), ("b", 0)]);
    }
}

#[tokio::test]
async fn only_version_7_asks_what_a_version_is_based_on() {
    let apps = r#"{"d":[{"slug":"a","is_for__device_type":[{"slug":"a"}],"owns__release":[
        {"id":1,"raw_version":"2021.1.1","release_tag":[{"tag_key":"meta-balena-base","value":"2.71.3"}]},
        {"id":2,"raw_version":"2.98.33","release_tag":[]}]}]}"#;
    for (api, expected) in
        [(ApiVersion::V6, &["2021.1.1", "2.98.33"] as &[&str]), (ApiVersion::V7, &["2.98.33"])]
    {
        let (balena, _) = answering(api, apps);
        let found = balena.os().get_supported_os_update_versions("a", "2.80.3+rev1").await.unwrap();
        assert_eq!(found.versions, expected);
    }
}

#[tokio::test]
async fn without_its_version_a_release_is_no_version() {
    let apps = r#"{"d":[{"is_for__device_type":[{"slug":"a"}],"owns__release":[{"id":1}]}]}"#;
    let (balena, _) = answering(ApiVersion::V6, apps);
    let asked = balena.os().get_all_os_versions("a").select([Release::ID.name()]).rows::<Value>();
    let error = asked.await.unwrap_err();
    assert!(error.is_decode() && error.to_string().contains("raw_version"), "{error}");
}

#[tokio::test]
async fn an_odd_row_is_left_out_and_fails_no_list() {
    let apps = r#"{"d":[
        {"is_for__device_type":[{"id":1}],"owns__release":[{"id":1,"raw_version":"2.1.0"}]},
        {"is_for__device_type":[{"slug":null}],"owns__release":[{"id":2,"raw_version":"2.2.0"}]},
        {"is_for__device_type":null,"application_tag":null,"owns__release":null},
        {"owns__release":[{"id":3,"raw_version":"2.3.0"}]},
        {"is_for__device_type":[{"slug":"a"}],"application_tag":[{"tag_key":null,"value":"x"},
            {"tag_key":"release-policy","value":null}],"owns__release":[
            {"id":4,"raw_version":null},{"id":5},
            {"id":6,"raw_version":"2.98.33","release_tag":[{"tag_key":null,"value":null},
                {"tag_key":"meta-balena-base","value":"2.71.3"}]},
            {"id":7,"raw_version":"2.90.0","release_tag":null}]}]}"#;
    for api in [ApiVersion::V6, ApiVersion::V7] {
        let (balena, _) = answering(api, apps);
        let found = balena.os().get_all_os_versions("a").await.unwrap();
        let told: Vec<_> =
            found.iter().map(|version| (version.raw_version(), &*version.based_on_version)).collect();
        assert_eq!(told, [("2.98.33", "2.71.3"), ("2.90.0", "2.90.0")], "{api:?}");
    }
}

#[tokio::test]
async fn a_nested_select_leaves_what_versions_are_made_of() {
    let (balena, transport) = answering(ApiVersion::V7, r#"{"d":[]}"#);
    let nested = json!({"$expand": {"release_tag": {"$select": ["id"]}}});
    balena.os().get_available_os_versions("a").options(&nested).await.unwrap();
    balena.os().get_available_os_versions("a").expand(Release::RELEASE_TAG.select(["id"])).await.unwrap();
    let asked = transport.asked.lock().unwrap();
    let sent = "$expand=release_tag($select=id,tag_key,value)";
    assert!(asked.len() == 2 && asked.iter().all(|url| url.contains(sent)), "{asked:?}");
}

#[tokio::test]
async fn an_empty_version_is_left_out() {
    let apps = r#"{"d":[{"is_for__device_type":[{"slug":"a"}],"owns__release":[
        {"id":1,"raw_version":""},{"id":2,"raw_version":"2.98.33"}]}]}"#;
    let (balena, _) = answering(ApiVersion::V7, apps);
    let found = balena.os().get_available_os_versions("a").await.unwrap();
    assert_eq!(found.iter().map(super::OsVersion::raw_version).collect::<Vec<_>>(), ["2.98.33"]);
}

#[tokio::test]
async fn a_token_goes_to_no_strange_place() {
    let (balena, transport) = answering(
        ApiVersion::V6,
        r#"{"d":[{"uuid":"8deb12a58e3b6d3920db1c2b6303d1ff"}],"deviceUrlsBase":"x@evil.example/y"}"#,
    );
    let error = balena.device().get_os_update_status(5).await.unwrap_err();
    assert!(error.is_decode(), "{error}");
    assert_eq!(transport.asked.lock().unwrap().len(), 2, "the device, and the domain");
}

const TWO_VARIANTS: &str = r#"{"d":[{"slug":"pi","is_for__device_type":[{"slug":"pi"}],"owns__release":[
    {"id":1,"raw_version":"2.95.3+rev1.dev"},{"id":2,"raw_version":"2.95.3+rev1.prod"},
    {"id":3,"raw_version":"2.94.0+rev2.prod"},{"id":4,"raw_version":"2021.10.0+rev1.prod"}]}]}"#;

#[tokio::test]
async fn a_range_gives_the_production_variant_unless_told() {
    let cases = [
        ("^2.90.0", Some("2.95.3+rev1.prod")),
        (">=2.95.3 <3", Some("2.95.3+rev1.prod")),
        ("2.95.3", Some("2.95.3+rev1.prod")),
        ("v2.95.3", Some("2.95.3+rev1.prod")),
        ("2.95.3.prod", Some("2.95.3+rev1.prod")),
        ("2.95.3.dev", Some("2.95.3+rev1.dev")),
        ("2.95.3+rev1.dev", Some("2.95.3+rev1.dev")),
        ("balenaOS 2.95.3+rev1.prod", Some("2.95.3+rev1.prod")),
        ("2021.10.0", Some("2021.10.0+rev1.prod")),
        ("2.94.0.dev", None),
    ];
    for api_version in [ApiVersion::V6, ApiVersion::V7] {
        for (range, expected) in cases {
            let (balena, _) = answering(api_version, TWO_VARIANTS);
            let found = balena.os().get_max_satisfying_version("pi").version_or_range(range).await.unwrap();
            assert_eq!(found.as_deref(), expected, "{api_version:?} {range}");
        }
    }
}

#[tokio::test]
async fn a_version_in_another_form_is_the_published_one_or_is_named() {
    for (text, asked) in [
        ("2.95.3.prod", "2.95.3%2Brev1.prod"),
        ("2.95.3.dev", "2.95.3%2Brev1.dev"),
        ("v2.95.3+rev1.prod", "2.95.3%2Brev1.prod"),
        ("balenaOS 2.95.3.rev1.prod", "2.95.3%2Brev1.prod"),
        ("latest", "latest"),
    ] {
        let (balena, transport) = answering(ApiVersion::V6, TWO_VARIANTS);
        // The response is invalid; only the request matters.
        drop(balena.os().get_download_size("pi").version(text).await);
        let calls = transport.asked.lock().unwrap();
        let last = calls.last().unwrap();
        assert!(last.ends_with(&format!("/images/{asked}/download-size")), "{text}: {last}");
    }
}
