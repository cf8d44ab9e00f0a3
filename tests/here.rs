//! What `None` and `Local` mean where a function has a way on the device, outside the actions.
#![cfg(feature = "simulator")]

use balena_agent::simulator::Device;
use balena_agent::{Balena, Environment, Local};

#[tokio::test]
async fn tags_and_the_name_of_this_device_are_its_supervisors() {
    let device = Device::builder().start().await.unwrap();
    let environment = device.environment("main").unwrap();
    // No key for the cloud: what asks it fails.
    let own = environment["BALENA_DEVICE_UUID"].clone();
    let address = environment["BALENA_SUPERVISOR_ADDRESS"].clone();
    let key = environment["BALENA_SUPERVISOR_API_KEY"].clone();
    let variables = [
        ("BALENA_DEVICE_UUID", own.as_str()),
        ("BALENA_SUPERVISOR_ADDRESS", address.as_str()),
        ("BALENA_SUPERVISOR_API_KEY", key.as_str()),
    ];
    let balena = Balena::builder().environment(Environment::from_vars(variables).unwrap()).build();
    let (devices, tags) = (balena.device(), balena.device().tags());

    tags.set(Local, "site", "berlin").await.unwrap();
    tags.set(None, "hall", "3").await.unwrap();
    assert!(!devices.get_name(None).await.unwrap().is_empty());
    let error = tags.remove(Local, "site").await.unwrap_err();
    assert!(error.is_unsupported() && error.to_string().contains("can't delete tags"), "{error}");
    // A uuid is the cloud's, also one's own.
    assert!(tags.set(own.as_str(), "site", "berlin").await.is_err());
    for error in [
        tags.set(Local, "", "berlin").await.unwrap_err(),
        tags.set(Local, "a b", "berlin").await.unwrap_err(),
        tags.set("", "site", "berlin").await.unwrap_err(),
    ] {
        assert!(error.is_invalid_argument(), "{error}");
    }
    let error = Balena::builder().build().device().tags().set(None, "site", "berlin").await.unwrap_err();
    assert!(error.is_config() && error.to_string().contains("BALENA_SUPERVISOR_ADDRESS"), "{error}");
}
