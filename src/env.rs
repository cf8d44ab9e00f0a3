//! The environment variables of a service container (supervisor API reference, section 6).
//!
//! `BALENA_*` takes precedence over `RESIN_*`. An empty variable counts as unset.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer};

use crate::checks::{self, Fault};
use crate::error::{Error, ErrorKind, Result};
use crate::maps::collect_unsorted;

/// Path of a service's update lock, unless `BALENA_APP_LOCK_PATH` names another.
pub(crate) const DEFAULT_LOCK_PATH: &str = "/tmp/balena/updates.lock";

/// Variables without the prefix `BALENA_`, read by their own name.
const OTHERS: [&str; 7] =
    ["AGENT_ALLOW_HTTP", "DOCKER_HOST", "HOME", "https_proxy", "http_proxy", "all_proxy", "no_proxy"];

/// Fallbacks: variable, and the field that it is for. Used if the field's own variable (`BALENA_X`, or the name in lower
/// case) is unset.
const FALLBACKS: [(&str, &str); 6] = [
    ("RESIN_SERVICE_KILL_ME_PATH", "SERVICE_HANDOVER_COMPLETE_PATH"),
    ("NODE_EXTRA_CA_CERTS", "EXTRA_CA_CERTS"),
    ("HTTPS_PROXY", "https_proxy"),
    ("HTTP_PROXY", "http_proxy"),
    ("ALL_PROXY", "all_proxy"),
    ("NO_PROXY", "no_proxy"),
];

/// Fallbacks for fields that are still unset after `FALLBACKS`.
const LAST_FALLBACKS: [(&str, &str); 1] = [("SSL_CERT_FILE", "EXTRA_CA_CERTS")];

/// The environment of a service container: device, application, keys, proxies.
///
/// Field `x` is read from `BALENA_X`, else from `RESIN_X`, unless its doc names another variable. It is `None` if the
/// variable is unset or empty. The supervisor sets the fields up to `service_handover_complete_path` in every container,
/// and the others only for a service with the named label.
#[derive(Debug, Clone, Default, Deserialize)]
#[non_exhaustive]
pub struct Environment {
    /// Numeric id of the application (fleet), as text.
    pub app_id: Option<String>,
    /// Uuid of the application, 32 hexadecimal digits.
    pub app_uuid: Option<String>,
    /// Name of the application, without the organization.
    pub app_name: Option<String>,
    /// Name of this service in the compose file.
    pub service_name: Option<String>,
    /// Uuid of this device, 32 or 62 hexadecimal digits.
    pub device_uuid: Option<String>,
    /// Device type slug, e.g. `raspberrypi4-64`.
    pub device_type: Option<String>,
    /// CPU architecture, e.g. `aarch64`, `armv7hf`, `amd64`.
    pub device_arch: Option<String>,
    /// Name and version of the host OS, e.g. `balenaOS 6.5.24`. `None` also if the supervisor writes `undefined`.
    #[serde(default, deserialize_with = "undefined_is_none")]
    pub host_os_version: Option<String>,
    /// Path of this service's update lock, usually `/tmp/balena/updates.lock`.
    pub app_lock_path: Option<PathBuf>,
    /// Name of the device when this container was created. A rename does not change it.
    pub device_name_at_init: Option<String>,
    /// Path of the file that ends a handover (`BALENA_SERVICE_HANDOVER_COMPLETE_PATH`,
    /// else `RESIN_SERVICE_KILL_ME_PATH`).
    pub service_handover_complete_path: Option<PathBuf>,
    /// Base address of the supervisor API, e.g. `http://10.114.104.1:48484`. Needs the label
    /// `io.balena.features.supervisor-api`.
    pub supervisor_address: Option<String>,
    /// Host of the supervisor API. Needs the same label.
    pub supervisor_host: Option<String>,
    /// Port of the supervisor API, usually `48484`. Needs the same label.
    pub supervisor_port: Option<String>,
    /// Key of the supervisor API. Needs the same label.
    pub supervisor_api_key: Option<SecretString>,
    /// Device key for the cloud API. Needs the label `io.balena.features.balena-api`.
    pub api_key: Option<SecretString>,
    /// Base address of the cloud API, e.g. `https://api.balena-cloud.com`. Needs the same label.
    pub api_url: Option<String>,
    /// Board revision of the host OS. Needs the label `io.balena.features.host-os.board-rev`.
    pub host_os_board_rev: Option<String>,
    /// Build id of the host OS. Needs the same label.
    pub host_os_build: Option<String>,
    /// Directory that contains the SDKs' `.balena` folder, instead of the home directory. Set by the user.
    pub settings_home_directory: Option<PathBuf>,
    /// Section of the SDKs' settings file, instead of `Settings`. Set by the user.
    pub settings_config_section: Option<String>,
    /// Name of the SDKs' settings file, instead of `balena.cfg`. Set by the user.
    pub settings_config_filename: Option<String>,
    /// Path of a PEM file with additional CA certificates: `BALENA_EXTRA_CA_CERTS`, else `NODE_EXTRA_CA_CERTS`, else
    /// `SSL_CERT_FILE`. Set by the user.
    pub extra_ca_certs: Option<PathBuf>,
    /// Home directory: `HOME`.
    pub home: Option<PathBuf>,
    /// URL of the proxy for `https` addresses, with user name and password if it needs them: `https_proxy`, else
    /// `HTTPS_PROXY`.
    pub https_proxy: Option<SecretString>,
    /// URL of the proxy for `http` addresses: `http_proxy`, else `HTTP_PROXY`.
    pub http_proxy: Option<SecretString>,
    /// URL of the proxy for addresses whose own proxy above is unset: `all_proxy`, else `ALL_PROXY`. SOCKS is not
    /// supported.
    pub all_proxy: Option<SecretString>,
    /// Hosts that are reached without a proxy: `no_proxy`, else `NO_PROXY`. A list of domains (with their subdomains),
    /// IP addresses and networks (`10.0.0.0/8`, `192.168.*`), separated by commas; ports are ignored. `*` matches
    /// every host. Loopback addresses never use a proxy.
    pub no_proxy: Option<String>,
    /// With `1`, the client sends the key to a cloud API with an `http://` address: `AGENT_ALLOW_HTTP`. Otherwise it
    /// refuses to, unless the API is on this machine.
    #[serde(rename = "agent_allow_http")]
    pub allow_http: Option<String>,
    /// Address of the container engine's socket: `DOCKER_HOST`. Needs the label `io.balena.features.balena-socket`.
    pub docker_host: Option<String>,
    /// Names, without prefix, of the variables that only `RESIN_*` or another fallback set.
    #[serde(skip)]
    resin_only: BTreeSet<String>,
}

/// Reads `undefined`, which the supervisor writes if it does not know the host OS version, as `None`.
fn undefined_is_none<'de, D: Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(input)?.filter(|text| text != "undefined"))
}

/// A variable whose value is not a key, and the reason. The value is not stored.
#[derive(Debug, Clone)]
pub(crate) struct MalformedKey {
    variable: String,
    fault: Fault,
}

impl MalformedKey {
    /// Creates the error of a call that needs the key.
    pub(crate) fn error(&self) -> Error {
        let Self { variable, fault } = self;
        Error::new(ErrorKind::Config, format!("{variable} does not hold a key: {}", fault.why)).with_help(format!(
            "{}; on a device, a label of the service sets this variable: remove your own variable of the same name",
            fault.remedy
        ))
    }
}

impl Environment {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// `is_config` if one of these variables is not UTF-8.
    pub fn from_process() -> Result<Self> {
        Self::from_os_vars(std::env::vars_os())
    }

    /// Reads the given variables instead of those of the process.
    ///
    /// # Errors
    /// `is_config` if the variables cannot be decoded into their types.
    pub fn from_vars<K: Into<String>, V: Into<String>>(
        vars: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self> {
        Self::from_os_vars(vars.into_iter().map(|(k, v)| (k.into().into(), v.into().into())))
    }

    fn from_os_vars(vars: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self> {
        let mut balena = BTreeMap::new();
        let mut resin = BTreeMap::new();
        let mut last = BTreeMap::new();
        for (name, value) in vars {
            let Some(name) = name.to_str() else { continue };
            let (names, suffix) = if let Some(suffix) = name.strip_prefix("BALENA_") {
                (&mut balena, suffix)
            } else if let Some((_, field)) = FALLBACKS.iter().find(|(other, _)| *other == name) {
                (&mut resin, *field)
            } else if let Some((_, field)) = LAST_FALLBACKS.iter().find(|(other, _)| *other == name) {
                (&mut last, *field)
            } else if let Some(suffix) = name.strip_prefix("RESIN_") {
                (&mut resin, suffix)
            } else if OTHERS.contains(&name) {
                (&mut balena, name)
            } else {
                continue;
            };
            // Variables of the user that only look like ours: `BALENA_HOME`, `BALENA_app_id`.
            let is_foreign = name.len() > suffix.len()
                && (suffix.contains(char::is_lowercase)
                    || OTHERS.iter().any(|own| own.eq_ignore_ascii_case(suffix)));
            if value.is_empty() || is_foreign {
                continue;
            }
            let suffix = suffix.to_owned();
            let value = value.into_string().map_err(|_| {
                Error::new(ErrorKind::Config, format!("variable {name} is not UTF-8 text"))
                    .with_help("set it to UTF-8 text, or unset it")
            })?;
            names.insert(suffix, value);
        }
        let resin_only = collect_unsorted(resin.keys().filter(|name| !balena.contains_key(*name)).cloned());
        // A later entry replaces an earlier one, so `BALENA_*` comes last.
        last.extend(resin);
        last.extend(balena);
        let read: Self = envy::from_iter(last).map_err(|cause| {
            Error::new(ErrorKind::Config, "the BALENA_* variables can't be read").with_source(cause)
        })?;
        Ok(Self { resin_only, ..read })
    }

    /// Returns the variable that a field was read from: `BALENA_APP_ID` or `RESIN_APP_ID` for `APP_ID`.
    pub(crate) fn variable(&self, field: &str) -> String {
        let prefix = if self.resin_only.contains(field) { "RESIN" } else { "BALENA" };
        format!("{prefix}_{field}")
    }

    /// Returns the key of the supervisor API; `None` if unset.
    pub(crate) fn supervisor_key(&self) -> Option<Result<SecretString, MalformedKey>> {
        let key = self.supervisor_api_key.as_ref()?;
        Some(self.checked_key("SUPERVISOR_API_KEY", key, checks::key_fault))
    }

    /// Returns the key of the cloud API; `None` if unset.
    pub(crate) fn cloud_key(&self) -> Option<Result<SecretString, MalformedKey>> {
        Some(self.checked_key("API_KEY", self.api_key.as_ref()?, checks::token_fault))
    }

    fn checked_key(
        &self,
        field: &str,
        key: &SecretString,
        fault: fn(&str) -> Option<Fault>,
    ) -> Result<SecretString, MalformedKey> {
        match fault(key.expose_secret()) {
            Some(fault) => Err(MalformedKey { variable: self.variable(field), fault }),
            None => Ok(key.clone()),
        }
    }

    /// Returns the path of the service's update lock, or the default path.
    pub(crate) fn lock_path(&self) -> PathBuf {
        self.app_lock_path.clone().unwrap_or_else(|| DEFAULT_LOCK_PATH.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_key_names_the_variable_that_was_read() {
        type Key = fn(&Environment) -> Option<Result<SecretString, MalformedKey>>;
        let keys: [(&str, Key); 2] =
            [("SUPERVISOR_API_KEY", Environment::supervisor_key), ("API_KEY", Environment::cloud_key)];
        for (field, read) in keys {
            let (balena, resin) = (format!("BALENA_{field}"), format!("RESIN_{field}"));
            for (vars, named) in [
                ([(&balena, "s3cret\n"), (&resin, "good")], Some(&balena)),
                ([(&balena, "'s3cret'"), (&resin, "")], Some(&balena)),
                ([(&balena, ""), (&resin, "s3cret\r\n")], Some(&resin)),
                ([(&balena, "good"), (&resin, "s3cret\n")], None),
            ] {
                let env = Environment::from_vars(vars).unwrap();
                let error = read(&env).unwrap().err().map(|malformed| malformed.error());
                let text = error.as_ref().map(ToString::to_string).unwrap_or_default();
                assert!(error.is_none_or(|error| error.is_config()) && !text.contains("s3cret"), "{text}");
                assert_eq!(text.split_once(' ').map(|(first, _)| first), named.map(String::as_str));
            }
        }
    }

    #[test]
    fn balena_first_resin_as_fallback_empty_is_unset() {
        let env = Environment::from_vars([
            ("BALENA_APP_ID", "7"),
            ("RESIN_APP_ID", "8"),
            ("BALENA_APP_NAME", ""),
            ("RESIN_APP_NAME", "old"),
            ("BALENA_API_KEY", ""),
            ("RESIN_SUPERVISOR_API_KEY", "s3cret"),
            ("RESIN_SERVICE_KILL_ME_PATH", "/tmp/balena/handover-complete"),
            ("BALENA_HOST_OS_VERSION", "undefined"),
            ("BALENA", "1"),
            ("BALENA_app_id", "9"),
            ("HOME", "/root"),
            ("BALENA_HOME", "/nowhere"),
            ("RESIN_NO_PROXY", "nothing"),
            ("HTTPS_PROXY", "http://user:pa55@upper:1"),
            ("https_proxy", "http://user:pa55@lower:1"),
            ("HTTP_PROXY", "http://upper:2"),
            ("SSL_CERT_FILE", "/ssl"),
            ("NODE_EXTRA_CA_CERTS", "/node"),
        ])
        .unwrap();
        assert_eq!(env.app_id.as_deref(), Some("7"));
        assert_eq!(env.app_name.as_deref(), Some("old"));
        assert!(env.api_key.is_none() && env.host_os_version.is_none());
        assert_eq!(env.supervisor_api_key.as_ref().unwrap().expose_secret(), "s3cret");
        assert!(env.service_handover_complete_path.is_some());
        let shown = format!("{env:?}");
        assert!(!shown.contains("s3cret") && !shown.contains("pa55"), "a secret shows in Debug");
        assert_eq!(env.lock_path(), PathBuf::from(DEFAULT_LOCK_PATH));
        assert_eq!((env.home, env.no_proxy), (Some("/root".into()), None));
        let proxy = |proxy: &Option<SecretString>| proxy.as_ref().unwrap().expose_secret().to_owned();
        assert_eq!(proxy(&env.https_proxy), "http://user:pa55@lower:1");
        assert_eq!(proxy(&env.http_proxy), "http://upper:2");
        assert_eq!(env.extra_ca_certs, Some("/node".into()));
    }
}
