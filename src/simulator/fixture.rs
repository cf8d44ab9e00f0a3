//! What a simulated device consists of: a description that can be written in code or read from JSON.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::maps::filled;

/// A whole device: facts, keys, and named sets of apps. Reads the `fixture.json` of the recorded cases.
#[derive(Debug, Clone, Deserialize)]
pub struct Fixture {
    /// Version the supervisor reports, without a leading `v`.
    pub supervisor_version: String,
    /// The device itself.
    pub device: DeviceFacts,
    /// API keys by name. A key that belongs to a service carries the service's name.
    #[serde(deserialize_with = "key_scopes")]
    pub keys: BTreeMap<String, KeyScope>,
    /// Sets of apps; one of them is installed.
    pub apps: BTreeMap<String, Vec<App>>,
    /// How long the engine takes, unless the builder says otherwise.
    #[serde(default)]
    pub defaults: Defaults,
}

/// Facts about the device.
#[derive(Debug, Clone, Deserialize)]
pub struct DeviceFacts {
    /// Whole uuid.
    pub uuid: String,
    /// Name in the dashboard.
    pub name: String,
    /// Device type slug.
    #[serde(rename = "deviceType")]
    pub device_type: String,
    /// CPU architecture, in balena's words.
    pub arch: String,
    /// Pretty name of the host OS.
    pub os_version: String,
    /// Hostname at start.
    pub hostname: String,
    /// VPN state.
    pub vpn: Vpn,
    /// Port that the supervisor *reports*; it really listens on a port of its own choice.
    pub listen_port: u16,
    /// Configuration variables in force, without prefix.
    #[serde(default)]
    pub config: BTreeMap<String, String>,
    /// Tags known to the cloud.
    #[serde(default)]
    pub tags: Vec<Tag>,
}

/// VPN state of the device.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Vpn {
    /// Switched on by configuration.
    pub enabled: bool,
    /// Connected at the moment.
    pub connected: bool,
}

/// A device tag.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Tag {
    /// Row id in the cloud.
    pub id: i64,
    /// Key.
    pub name: String,
    /// Value.
    pub value: String,
}

/// What an API key may touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(tag = "scope", rename_all = "lowercase")]
pub enum KeyScope {
    /// Every app; the cloud's key.
    Global,
    /// One app, all its services.
    App {
        /// Numeric id of the app.
        #[serde(rename = "appId")]
        app: i64,
    },
}

/// An installed (or offered) app.
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
    /// Releases: `current` is installed, `update` can be offered.
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

/// A service of a release. What an `update` release leaves out is taken from `current`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// Numeric service id.
    pub service_id: i64,
    /// Numeric image id.
    pub image_id: i64,
    /// Image reference; two references with the same digest have the same content.
    pub image: String,
    /// Environment of the container. `{key:NAME}` stands for an API key. `None`: what the supervisor would set.
    pub env: Option<BTreeMap<String, String>>,
    /// Named volumes.
    pub volumes: Option<Vec<String>>,
    /// Uses the host's network.
    pub host_network: Option<bool>,
    /// Has the label that gives access to the supervisor API, and so a key.
    pub supervisor_api: Option<bool>,
}

/// How long the engine takes for things, in milliseconds.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default)]
pub struct Defaults {
    /// Stopping a container.
    pub stop_ms: u64,
    /// Starting a container.
    pub start_ms: u64,
    /// Pulling an image.
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

    /// The default small fleet: app `1`, services `main`, `helper` (both with a key) and `plain` (without one).
    pub fn small() -> Self {
        let services = |image_base: i64, content: &str| {
            let all = [("main", 1, true), ("helper", 2, true), ("plain", 3, false)];
            filled(all.map(|(name, id, supervisor_api)| {
                // Only `main` differs between the releases, as in most real updates.
                let content = if name == "main" { content } else { "1" };
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
            releases: filled([
                ("current".to_owned(), release(1, "c1", "1")),
                ("update".to_owned(), release(2, "c2", "2")),
            ]),
        };
        Self {
            supervisor_version: "19.0.5".to_owned(),
            device: DeviceFacts::simulated(),
            keys: filled([("global".to_owned(), KeyScope::Global)]),
            apps: filled([("small".to_owned(), vec![app])]),
            defaults: Defaults::default(),
        }
    }
}

impl DeviceFacts {
    /// Facts that tell a reader that this is no real device.
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

/// The object of keys also carries a remark on their format, which is text.
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
