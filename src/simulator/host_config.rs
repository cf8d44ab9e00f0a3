//! Host configuration: host name and proxy, with the supervisor's rules to read, check and merge them.

use serde_json::{Map, Value, json};

use crate::maps::collect_unsorted;

use super::{js_values, redsocks};

const UNPARSABLE: &str = "Could not parse host config input to a valid format:";
/// Longest text that the schema accepts as an address.
const SHORT_TEXT: usize = 255;
/// Fields of a valid proxy; others are dropped.
const PROXY_FIELDS: [&str; 7] = ["type", "ip", "port", "login", "password", "dns", "noProxy"];

/// The stored host configuration.
#[derive(Debug, Clone, Default)]
pub(super) struct Network {
    /// The current host name.
    hostname: String,
    /// The host name after the next boot.
    wanted: Option<String>,
    proxy_file: Option<String>,
    no_proxy: Vec<String>,
}

/// A checked request.
#[derive(Debug, PartialEq)]
pub(super) struct Patch {
    hostname: Option<String>,
    proxy: Option<Map<String, Value>>,
}

impl Patch {
    /// Whether nothing is to be changed, so that no lock is needed.
    pub(super) fn is_empty(&self) -> bool {
        self.hostname.is_none() && self.proxy.is_none()
    }

    /// Checks a request body. Returns the text of the 400 response on error.
    pub(super) fn parse(body: &Value) -> Result<Self, String> {
        let refuse = |what: &str, value: &Value| {
            Err(format!("{UNPARSABLE}\nExpecting {what} but instead got: {value}"))
        };
        let network = body.get("network").unwrap_or(&Value::Null);
        let Some(network) = network.as_object() else {
            return refuse("Partial<{ proxy: object, hostname: string }> at network", network);
        };
        let hostname = match network.get("hostname") {
            None => None,
            Some(Value::String(name)) => Some(name.clone()),
            Some(other) => return refuse("string at network.hostname", other),
        };
        let proxy = match network.get("proxy") {
            None => None,
            Some(Value::Object(proxy)) => Some(proxy),
            Some(other) => return refuse("{ [K in string]: any } at network.proxy.0", other),
        };
        if let Some(dns) = proxy.and_then(|proxy| proxy.get("dns")).filter(|dns| !valid_dns(dns)) {
            return refuse("one of:\n    AddressString\n    boolean\nat network.proxy.1.dns", dns);
        }
        Ok(Self {
            hostname,
            proxy: proxy.map(|proxy| if well_formed(proxy) { trimmed(proxy) } else { proxy.clone() }),
        })
    }
}

fn valid_dns(dns: &Value) -> bool {
    let address = |text: &str| {
        text.rsplit_once(':').is_some_and(|(host, port)| {
            let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
            !host.is_empty() && digits && text.len() <= SHORT_TEXT
        })
    };
    dns.is_boolean() || dns.as_str().is_some_and(address)
}

/// Returns whether the strict schema accepts the proxy. The supervisor stores a proxy that it rejects, but unchanged.
fn well_formed(proxy: &Map<String, Value>) -> bool {
    let texts = ["ip", "login", "password"].iter().all(|name| proxy.get(*name).is_none_or(Value::is_string));
    let no_proxy = proxy
        .get("noProxy")
        .is_none_or(|list| list.as_array().is_some_and(|list| list.iter().all(Value::is_string)));
    let known = proxy
        .get("type")
        .and_then(Value::as_str)
        .is_some_and(|kind| matches!(kind, "socks4" | "socks5" | "http-connect" | "http-relay"));
    let port = proxy.get("port").and_then(js_values::identifier).is_some();
    texts && no_proxy && known && port && proxy.contains_key("ip")
}

fn trimmed(proxy: &Map<String, Value>) -> Map<String, Value> {
    let known = proxy.iter().filter(|(name, _)| PROXY_FIELDS.contains(&name.as_str()));
    collect_unsorted(known.map(|(name, value)| (name.clone(), value.clone())))
}

impl Network {
    pub(super) fn new(hostname: &str) -> Self {
        Self { hostname: hostname.to_owned(), ..Self::default() }
    }

    /// Returns the host name that new containers on the host's network get.
    pub(super) fn configured_hostname(&self) -> Option<&str> {
        self.wanted.as_deref()
    }

    /// Boots the host, which takes the new name.
    pub(super) fn boot(&mut self) {
        if let Some(name) = &self.wanted {
            self.hostname.clone_from(name);
        }
    }

    /// Returns the body of the GET endpoint.
    pub(super) fn show(&self) -> Value {
        let mut network = json!({ "hostname": self.hostname });
        if let (Some(file), Some(network)) = (&self.proxy_file, network.as_object_mut()) {
            let mut proxy = redsocks::read(file);
            if !self.no_proxy.is_empty() {
                proxy.insert("noProxy".to_owned(), self.no_proxy.clone().into());
            }
            network.insert("proxy".to_owned(), proxy.into());
        }
        json!({ "network": network })
    }

    /// Stores a request. Returns the text of the 503 response on error; the parts before the failing one stay stored.
    pub(super) fn apply(&mut self, patch: Patch, uuid: &str) -> Result<(), String> {
        if let Some(name) = patch.hostname {
            let name = if name.is_empty() { uuid.chars().take(7).collect() } else { name };
            self.wanted = Some(name);
        }
        patch.proxy.map_or(Ok(()), |proxy| self.set_proxy(proxy))
    }

    fn set_proxy(&mut self, mut proxy: Map<String, Value>) -> Result<(), String> {
        let no_proxy = proxy.remove("noProxy").filter(|list| !list.is_null());
        let no_proxy_changed = no_proxy.is_some_and(|list| self.set_no_proxy(&list));
        let merged = if proxy.is_empty() {
            Map::new()
        } else {
            let mut merged = self.proxy_file.as_deref().map(redsocks::read).unwrap_or_default();
            merged.extend(proxy);
            merged
        };
        match redsocks::write(&merged)? {
            Some(file) => self.proxy_file = Some(file),
            // A request with only exceptions leaves the proxy unchanged, but only if the exceptions changed.
            None if no_proxy_changed => {}
            None => self.proxy_file = None,
        }
        Ok(())
    }

    /// Returns whether the list changed.
    fn set_no_proxy(&mut self, list: &Value) -> bool {
        let Some(list) = list.as_array() else {
            self.no_proxy.clear();
            return false;
        };
        let changed =
            list.len() != self.no_proxy.len() || !self.no_proxy.iter().all(|old| list.contains(&json!(old)));
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.no_proxy = list.iter().map(text).filter(|address| !address.is_empty()).collect();
        changed
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Network, Patch};

    fn patched(network: &mut Network, body: &Value) -> Value {
        let patch = Patch::parse(&json!({ "network": body })).expect("accepted");
        network.apply(patch, "d0d0d0d0d0d0").expect("stored");
        network.show()["network"]["proxy"].clone()
    }

    #[test]
    fn exceptions_alone_keep_the_proxy_only_when_they_change() {
        let mut network = Network::new("host");
        let proxy = json!({"type": "socks5", "ip": "192.0.2.1", "port": 1080, "noProxy": ["198.51.100.1"]});
        assert_eq!(patched(&mut network, &json!({ "proxy": proxy })), proxy);
        let other = patched(&mut network, &json!({"proxy": {"noProxy": ["198.51.100.2"]}}));
        assert_eq!(other["noProxy"], json!(["198.51.100.2"]));
        assert_eq!(patched(&mut network, &json!({"proxy": {"noProxy": ["198.51.100.2"]}})), Value::Null);
    }

    #[test]
    fn nulls_and_lists_are_refused() {
        for bad in [
            json!({}),
            json!({"network": null}),
            json!({"network": []}),
            json!({"network": {"hostname": null}}),
            json!({"network": {"proxy": []}}),
            json!({"network": {"proxy": false}}),
            json!({"network": {"proxy": {"dns": "nope"}}}),
            json!({"network": {"proxy": {"dns": null}}}),
        ] {
            assert!(Patch::parse(&bad).is_err(), "{bad}");
        }
        assert!(Patch::parse(&json!({"network": {}})).expect("accepted").is_empty());
    }

    #[test]
    fn a_new_hostname_waits_for_the_boot() {
        let mut network = Network::new("host");
        patched(&mut network, &json!({"hostname": ""}));
        assert_eq!(network.show()["network"]["hostname"], "host");
        network.boot();
        assert_eq!(network.show()["network"]["hostname"], "d0d0d0d");
    }
}
