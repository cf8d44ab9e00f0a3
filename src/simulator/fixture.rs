//! The description of a simulated device, written in code or read from JSON.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::maps::collect_unsorted;

/// A complete device: facts, keys and named sets of apps. Reads the `fixture.json` of the recorded cases.
#[derive(Debug, Clone, Deserialize)]
pub struct Fixture {
    /// Version that the supervisor reports, without a leading `v`.
    pub supervisor_version: String,
    /// The device itself.
    pub device: DeviceFacts,
    /// API keys by name. A service's key has the name of the service.
    #[serde(deserialize_with = "key_scopes")]
    pub keys: BTreeMap<String, KeyScope>,
    /// Sets of apps by name; one of them is installed.
    pub apps: BTreeMap<String, Vec<App>>,
    /// Durations of engine operations, unless the builder overrides them.
    #[serde(default)]
    pub defaults: Defaults,
}

/// Facts about the device.
#[derive(Debug, Clone, Deserialize)]
pub struct DeviceFacts {
    /// Full uuid.
    pub uuid: String,
    /// Name in the dashboard.
    pub name: String,
    /// Slug of the device type.
    #[serde(rename = "deviceType")]
    pub device_type: String,
    /// CPU architecture in balena's terms, e.g. `aarch64`.
    pub arch: String,
    /// Full name of the host OS, e.g. `balenaOS 2.115.1`.
    pub os_version: String,
    /// Host name at start.
    pub hostname: String,
    /// VPN state.
    pub vpn: Vpn,
    /// Port that the supervisor *reports*; it listens on another one.
    pub listen_port: u16,
    /// Configuration variables, without prefix.
    #[serde(default)]
    pub config: BTreeMap<String, String>,
    /// Tags known to the cloud.
    #[serde(default)]
    pub tags: Vec<Tag>,
}

/// VPN state of the device.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Vpn {
    /// Whether the configuration enables it.
    pub enabled: bool,
    /// Whether it is connected.
    pub connected: bool,
}

/// A device tag.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Tag {
    /// Id of the tag in the cloud.
    pub id: i64,
    /// Key.
    pub name: String,
    /// Value.
    pub value: String,
}

/// Apps that an API key can access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(tag = "scope", rename_all = "lowercase")]
pub enum KeyScope {
    /// Every app; the cloud's key.
    Global,
    /// One app with all its services.
    App {
        /// Numeric id of the app.
        #[serde(rename = "appId")]
        app: i64,
    },
}

/// An app that is installed or offered.
#[derive(Debug, Clone, Deserialize)]
pub struct App {
    /// Numeric id.
    #[serde(rename = "appId")]
    pub id: i64,
    /// Uuid.
    #[serde(rename = "appUuid")]
    pub uuid: String,
    /// Name.
    pub name: String,
    /// Releases by name: `current` is installed, `update` can be offered.
    pub releases: BTreeMap<String, Release>,
}

/// A release of an app.
#[derive(Debug, Clone, Deserialize)]
pub struct Release {
    /// Commit hash.
    pub commit: String,
    /// Numeric id.
    #[serde(rename = "releaseId")]
    pub id: i64,
    /// Services by name.
    pub services: BTreeMap<String, Service>,
}

/// A service of a release. Fields that an `update` release omits are taken from `current`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// Numeric id of the service.
    pub service_id: i64,
    /// Numeric id of the image.
    pub image_id: i64,
    /// Image reference. Two references with the same digest have the same content.
    pub image: String,
    /// Environment of the container; `{key:NAME}` stands for an API key. `None`: the variables that the supervisor
    /// sets.
    pub env: Option<BTreeMap<String, String>>,
    /// Names of the volumes.
    pub volumes: Option<Vec<String>>,
    /// Whether the service uses the host's network.
    pub host_network: Option<bool>,
    /// Whether the service has the label for the supervisor API, and therefore a key.
    pub supervisor_api: Option<bool>,
}

/// Durations of engine operations, in milliseconds.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default)]
pub struct Defaults {
    /// Time to stop a container.
    pub stop_ms: u64,
    /// Time to start a container.
    pub start_ms: u64,
    /// Time to pull an image.
    pub pull_ms: u64,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { stop_ms: 50, start_ms: 20, pull_ms: 0 }
    }
}

impl Fixture {
    /// Reads a fixture from JSON.
    pub fn from_json(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    /// Returns the default fixture: app `1`, services `main`, `helper` (both with a key) and `plain` (without one).
    pub fn small() -> Self {
        Self::fleet(&[("main", true), ("helper", true), ("plain", false)])
    }

    /// A fleet like [`small`](Self::small) of these services, and whether each has a key.
    pub(crate) fn fleet(services: &[(&str, bool)]) -> Self {
        let services = |image_base: i64, content: &str| {
            collect_unsorted((1..).zip(services).map(|(id, (name, supervisor_api))| {
                let (name, supervisor_api) = (*name, *supervisor_api);
                // Only the first one differs between the releases, as in most real updates.
                let content = if id == 1 { content } else { "1" };
                let service = Service {
                    service_id: id,
                    image_id: image_base + id,
                    image: format!("registry.example.com/v2/{name}{image_base}@sha256:{name}{content}"),
                    env: None,
                    volumes: Some(vec![format!("{name}-data")]),
                    host_network: Some(false),
                    supervisor_api: Some(supervisor_api),
                };
                (name.to_owned(), service)
            }))
        };
        let release = |id, commit: &str, content| Release {
            commit: commit.repeat(16),
            id,
            services: services(id * 1000, content),
        };
        let app = App {
            id: 1,
            uuid: "a1".repeat(16),
            name: "small-fleet".to_owned(),
            releases: collect_unsorted([
                ("current".to_owned(), release(1, "c1", "1")),
                ("update".to_owned(), release(2, "c2", "2")),
            ]),
        };
        Self {
            supervisor_version: "19.0.5".to_owned(),
            device: DeviceFacts::simulated(),
            keys: collect_unsorted([("global".to_owned(), KeyScope::Global)]),
            apps: collect_unsorted([("small".to_owned(), vec![app])]),
            defaults: Defaults::default(),
        }
    }
}

impl DeviceFacts {
    /// Facts that are recognizable as simulated.
    fn simulated() -> Self {
        Self {
            uuid: "d1".repeat(16),
            name: "simulated-device".to_owned(),
            device_type: "generic-amd64".to_owned(),
            arch: "amd64".to_owned(),
            os_version: "balenaOS 6.5.24".to_owned(),
            hostname: "simulated".to_owned(),
            vpn: Vpn { enabled: true, connected: false },
            listen_port: 48484,
            config: BTreeMap::new(),
            tags: Vec::new(),
        }
    }
}

/// Ignores the note on the key format, which is text in the same object.
fn key_scopes<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, KeyScope>, D::Error> {
    let mut scopes = BTreeMap::new();
    for (name, value) in BTreeMap::<String, serde_json::Value>::deserialize(deserializer)? {
        if value.is_object() {
            scopes.insert(name, serde_json::from_value(value).map_err(serde::de::Error::custom)?);
        }
    }
    Ok(scopes)
}
