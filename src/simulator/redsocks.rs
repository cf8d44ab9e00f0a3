//! The proxy settings as the redsocks file of the host. Settings that its format can't express are lost.

use serde_json::{Map, Value};

use crate::maps::collect_unsorted;

use super::js_values;

const DEFAULT_DNS: &str = "8.8.8.8";
const DEFAULT_DNS_PORT: &str = "53";
/// Set by the host; values from users are dropped.
const RESERVED: [&str; 2] = ["local_ip", "local_port"];
const TYPES: [&str; 4] = ["socks4", "socks5", "http-connect", "http-relay"];

/// Returns the file for these settings; `None` if only `dns` is set, which means no proxy. Returns the text of the
/// error if a login or password is not text.
pub(super) fn write(settings: &Map<String, Value>) -> Result<Option<String>, String> {
    if settings.keys().all(|name| name == "dns") {
        return Ok(None);
    }
    let mut lines = String::new();
    for (name, value) in settings.iter().filter(|(name, _)| *name != "dns") {
        let value = if secret(name) { quoted(value)? } else { js_values::shown(value) };
        lines.push_str(&format_line(name, &value));
    }
    let mut file = format!("base {{\n\tredirector = iptables;\n}}\n\nredsocks {{\n{lines}}}\n");
    if let Some((address, port)) = settings.get("dns").and_then(dns) {
        let remote = format_line("remote_ip", &address) + &format_line("remote_port", &port);
        file = format!("{file}\ndnsu2t {{\n{remote}}}\n");
    }
    Ok(Some(file))
}

/// Parses a file. Returns an empty map if it contains no valid proxy.
pub(super) fn read(file: &str) -> Map<String, Value> {
    let Some(mut settings) = block(file, "redsocks").map(fields) else { return Map::new() };
    let known_type = settings.get("type").and_then(Value::as_str).is_some_and(|kind| TYPES.contains(&kind));
    let port = settings.get("port").and_then(js_values::identifier);
    let (true, true, Some(port)) = (known_type, settings.contains_key("ip"), port) else { return Map::new() };
    settings.insert("port".to_owned(), port.into());
    let dns = block(file, "dnsu2t").map(fields).and_then(|dns| {
        let address = dns.get("remote_ip")?.as_str()?.to_owned();
        let port = js_values::identifier(dns.get("remote_port")?)?;
        Some(format!("{address}:{port}"))
    });
    if let Some(dns) = dns {
        settings.insert("dns".to_owned(), dns.into());
    }
    settings
}

fn format_line(name: &str, value: &str) -> String {
    format!("\t{name} = {value};\n")
}

fn secret(name: &str) -> bool {
    matches!(name, "login" | "password")
}

fn quoted(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => {
            let open = if text.starts_with('"') { "" } else { "\"" };
            let close = if text.ends_with('"') { "" } else { "\"" };
            Ok(format!("{open}{text}{close}"))
        }
        Value::Null => Err("Cannot read properties of null (reading 'startsWith')".to_owned()),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err("value.startsWith is not a function".to_owned())
        }
    }
}

fn dns(value: &Value) -> Option<(String, String)> {
    match value {
        Value::Bool(true) => Some((DEFAULT_DNS.to_owned(), DEFAULT_DNS_PORT.to_owned())),
        Value::String(text) => {
            // An IPv6 address has more colons than the supervisor expects, and is dropped.
            let mut parts = text.split(':');
            let address = parts.next().unwrap_or_default().to_owned();
            let port = parts.next().unwrap_or_default().to_owned();
            Some((address, port))
        }
        _ => None,
    }
}

/// Returns the text between the braces, up to the first closing brace that ends a word.
fn block<'file>(file: &'file str, name: &str) -> Option<&'file str> {
    let after = file.split_once(&format!("{name} {{"))?.1;
    let end = after.match_indices('}').map(|(index, _)| index).find(|index| {
        let next = after.get(index + 1..).and_then(|rest| rest.chars().next());
        *index > 0 && next.is_none_or(char::is_whitespace)
    })?;
    after.get(..end)
}

fn fields(block: &str) -> Map<String, Value> {
    let lines = block.lines().map(|line| line.strip_suffix(';').unwrap_or(line));
    collect_unsorted(lines.filter_map(|line| {
        let mut parts = line.split('=').map(str::trim);
        let (name, value) = (parts.next()?, parts.next()?);
        let reserved = RESERVED.iter().any(|reserved| name.contains(reserved));
        let value = if secret(name) { value.replace('"', "") } else { value.to_owned() };
        let empty = value.is_empty() && !secret(name);
        (!name.is_empty() && !empty && !reserved).then(|| (name.to_owned(), value.into()))
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    fn round_trip(settings: &Value) -> Value {
        let file = super::write(settings.as_object().expect("an object")).expect("valid");
        file.map_or(Value::Null, |file| super::read(&file).into())
    }

    #[test]
    fn a_valid_proxy_survives() {
        let all = json!({"type": "socks5", "ip": "192.0.2.1", "port": "8123", "login": "u", "password": "p}x", "dns": true});
        let read = json!({"type": "socks5", "ip": "192.0.2.1", "port": 8123, "login": "u", "password": "p}x", "dns": "8.8.8.8:53"});
        assert_eq!(round_trip(&all), read);
    }

    #[test]
    fn what_does_not_fit_is_lost() {
        assert_eq!(round_trip(&json!({"type": "socks5", "port": 1080})), json!({}));
        assert_eq!(round_trip(&json!({"type": "other", "ip": "192.0.2.1", "port": 1080})), json!({}));
        assert_eq!(round_trip(&json!({"dns": true})), Value::Null);
        let with_equals = json!({"type": "socks4", "ip": "192.0.2.1", "port": 1, "password": "a=b"});
        assert_eq!(round_trip(&with_equals)["password"], "a");
    }
}
