//! The environment variables of a service's container.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::maps::collect_unsorted;

use super::fixture::{App, DeviceFacts};

/// Returns the variables that the supervisor sets, before the values of this device are filled in.
pub(super) fn standard(
    device: &DeviceFacts,
    app: &App,
    service: &str,
    with_api: bool,
) -> BTreeMap<String, String> {
    let id = app.id.to_string();
    let port = device.listen_port.to_string();
    let address = format!("http://127.0.0.1:{port}");
    let key = format!("{{key:{service}}}");
    let mut both = vec![
        ("_APP_ID", id.as_str()),
        ("_APP_UUID", &app.uuid),
        ("_APP_NAME", &app.name),
        ("_APP_LOCK_PATH", "/tmp/balena/updates.lock"),
        ("_SERVICE_NAME", service),
        ("_DEVICE_UUID", &device.uuid),
        ("_DEVICE_TYPE", &device.device_type),
        ("_DEVICE_ARCH", &device.arch),
        ("_DEVICE_NAME_AT_INIT", &device.name),
        ("_HOST_OS_VERSION", &device.os_version),
        ("", "1"),
    ];
    if with_api {
        both.extend([
            ("_SUPERVISOR_API_KEY", key.as_str()),
            ("_SUPERVISOR_HOST", "127.0.0.1"),
            ("_SUPERVISOR_PORT", &port),
            ("_SUPERVISOR_ADDRESS", &address),
        ]);
    }
    let mut env: BTreeMap<String, String> = collect_unsorted(both.into_iter().flat_map(|(name, value)| {
        ["BALENA", "RESIN"].map(|prefix| (format!("{prefix}{name}"), value.to_owned()))
    }));
    let handover = "/tmp/balena/handover-complete";
    env.insert("BALENA_SERVICE_HANDOVER_COMPLETE_PATH".to_owned(), handover.to_owned());
    env.insert("RESIN_SERVICE_KILL_ME_PATH".to_owned(), handover.to_owned());
    env.insert("USER".to_owned(), "root".to_owned());
    env
}

/// Adds the variables of the label for the cloud API.
pub(super) fn add_cloud(env: &mut BTreeMap<String, String>, address: SocketAddr, key: &str) {
    for prefix in ["BALENA", "RESIN"] {
        env.insert(format!("{prefix}_API_KEY"), key.to_owned());
    }
    env.insert("BALENA_API_URL".to_owned(), format!("http://{address}"));
}
