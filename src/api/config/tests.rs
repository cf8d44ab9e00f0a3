//! Cases that no recorded call covers.

use std::sync::Arc;

use crate::Error;
use crate::resource::test_util::MockTransport;

use super::Config;

fn answering(body: &'static str) -> (Config, Arc<MockTransport>) {
    let (balena, transport) = MockTransport::answering(body);
    (balena.config(), transport)
}

#[tokio::test]
async fn an_empty_name_is_refused_before_anything_is_sent() {
    let (config, transport) = answering("[]");
    let errors: Vec<Option<Error>> = vec![
        config.get_device_type_manifest_by_slug("").await.err(),
        config.get_device_options(" ").await.err(),
        config.get_config_var_schema().device_type("").await.err(),
    ];
    for (index, error) in errors.into_iter().enumerate() {
        let error = error.unwrap_or_else(|| panic!("number {index} went through"));
        assert!(error.is_invalid_argument() && !error.was_sent(), "{error}");
    }
    assert_eq!(*transport.asked.lock().unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_name_is_one_value_in_the_address() {
    let (config, transport) = answering("{}");
    config.get_config_var_schema().device_type("a&b=c d/é").await.unwrap();
    let asked = transport.asked.lock().unwrap();
    assert!(asked[0].ends_with("/config/vars?deviceType=a%26b%3Dc%20d%2F%C3%A9"), "{asked:?}");
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let types = r#"[{"slug":"a","name":"A"},{"slug":"b","aliases":["c"],"initialization":{"options":[{"name":"drive"}]}}]"#;
    let config = answering(types).0;
    assert_eq!(config.get_device_options("A").await.unwrap(), []);
    assert_eq!(config.get_device_options("c").await.unwrap()[0].name.as_deref(), Some("drive"));
    let error = config.get_device_options("d").await.unwrap_err();
    assert!(error.is_invalid_argument() && error.to_string().contains("device type d not found"), "{error}");
    for nothing in ["null", "{}", "\"x\""] {
        let error = answering(nothing).0.get_device_types().await.unwrap_err();
        assert!(error.is_decode(), "{nothing}: {error}");
    }
}

#[tokio::test]
async fn the_configuration_comes_without_device_types() {
    let body = r#"{"deviceUrlsBase":"x","deviceTypes":[],"more":5}"#;
    let config = answering(body).0.get_all().await.unwrap();
    assert_eq!(config.device_urls_base.as_deref(), Some("x"));
    assert_eq!(serde_json::Value::from(config.other), serde_json::json!({ "more": 5 }));
}
