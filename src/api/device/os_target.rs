//! Checks whether a device can be updated to a version of the host OS.

use std::collections::HashMap;
use std::sync::Arc;

use crate::api::os::{OsVersion, ReleaseSelection, slug_of, update_type, versions_of};
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::DeviceTypeId;
use crate::resource::keys::DeviceTypeKey;
use crate::rows::Device;
use crate::settings::ApiVersion;
use crate::version::Version;

/// Purpose of the check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Update now. The device must be online.
    Start,
    /// Set the target version. The current version is allowed.
    Pin,
}

/// Cache of device types and their OS versions.
pub(super) struct DeviceTypeCache {
    core: Arc<Core>,
    slugs: HashMap<i64, String>,
    versions: HashMap<String, Vec<OsVersion>>,
}

impl DeviceTypeCache {
    pub(super) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone(), slugs: HashMap::new(), versions: HashMap::new() }
    }

    /// Returns the slug of a device's type; `None` if its row has none.
    pub(super) async fn slug(&mut self, device: &Device) -> Result<Option<String>> {
        let device_type = &device.is_of_device_type;
        let Some(id) = device_type.id() else {
            return Ok(device_type.get().and_then(|row| row.slug.clone()));
        };
        if let Some(slug) = self.slugs.get(&id) {
            return Ok(Some(slug.clone()));
        }
        let slug = slug_of(&self.core, DeviceTypeKey::Id(DeviceTypeId::new(id))).await?;
        self.slugs.insert(id, slug.clone());
        Ok(Some(slug))
    }

    /// Returns the OS versions for a device type.
    pub(super) async fn versions(&mut self, slug: &str, wanted: ReleaseSelection) -> Result<&[OsVersion]> {
        if !self.versions.contains_key(slug) {
            let versions = versions_of(&self.core, slug, wanted).await?;
            self.versions.insert(slug.to_owned(), versions);
        }
        Ok(self.versions.get(slug).map_or(&[], Vec::as_slice))
    }
}

/// Checks that the platform can update a device from its current version to the target, which may be based on
/// another version.
///
/// # Errors
/// `is_unsupported`, with the reason; `is_device_offline` if the device is offline.
pub(super) fn check(
    api: ApiVersion,
    device: &Device,
    slug: Option<&str>,
    (target, based_on): (&str, Option<&str>),
    mode: Mode,
) -> Result<()> {
    let unknown = |text: String| Err(Error::new(ErrorKind::Unsupported, text).with_sent(true));
    let Some(uuid) = device.uuid.as_deref().filter(|uuid| !uuid.is_empty()) else {
        return unknown("the uuid of the device is not known".to_owned());
    };
    let is_there = match api {
        ApiVersion::V6 => device.is_online,
        ApiVersion::V7 => device.is_connected_to_vpn,
    };
    let there = || {
        if mode == Mode::Pin || is_there == Some(true) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::DeviceOffline, format!("device {uuid} is offline")).with_sent(true))
    };
    if api == ApiVersion::V6 {
        there()?;
    }
    let Some(text) = device.os_version.as_deref().filter(|text| !text.is_empty()) else {
        return unknown(format!("the host OS of device {uuid} is not known"));
    };
    let Some(slug) = slug else {
        return unknown(format!("the type of device {uuid} is not known"));
    };
    let current = Version::parse_full(text);
    let variant = device.os_variant.as_deref().unwrap_or_default();
    let is_year = |version: Option<&Version>| version.is_some_and(|version| version.major() > 2000);
    let is_it =
        mode == Mode::Pin && current.as_ref().is_some_and(|current| is_current(current, variant, target));
    if !is_it {
        let with_variant = current.clone().map(|current| current.with_variant(variant).to_string());
        let from = with_variant.as_deref().unwrap_or(text);
        let allowed = |target: &str| {
            update_type(api, slug, from, target)
                .map(drop)
                .map_err(|error| error.with_operation(format!("device {uuid}")).with_sent(true))
        };
        allowed(target)?;
        // Versions with extended support are numbered by year, above all others.
        let to_year = is_year(Version::parse(target).as_ref()) && !is_year(current.as_ref());
        if let Some(based_on) = based_on.filter(|_| to_year) {
            allowed(based_on)?;
        }
    }
    there()
}

/// Returns whether a device already runs a published version.
fn is_current(current: &Version, variant: &str, target: &str) -> bool {
    let (target, of_variant) = match target.rsplit_once('.') {
        Some((target, of_variant @ ("dev" | "prod"))) => (target, Some(of_variant)),
        _ => (target, None),
    };
    of_variant.is_none_or(|of_variant| of_variant == variant)
        && Version::parse_full(target).as_ref() == Some(current)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(os_version: &str, os_variant: Option<&str>) -> Device {
        Device {
            uuid: Some("8deb12a58e3b6d3920db1c2b6303d1ff".to_owned()),
            os_version: Some(os_version.to_owned()),
            os_variant: os_variant.map(str::to_owned),
            is_online: Some(true),
            is_connected_to_vpn: Some(true),
            ..Device::default()
        }
    }

    fn v7(device: &Device, target: &str, based_on: Option<&str>, mode: Mode) -> Result<()> {
        check(ApiVersion::V7, device, Some("raspberrypi3"), (target, based_on), mode)
    }

    #[test]
    fn what_a_device_has_can_be_pinned_and_not_started() {
        let prod = device("balenaOS 2.85.2+rev4", Some("prod"));
        for target in ["2.85.2+rev4", "2.85.2+rev4.prod"] {
            v7(&prod, target, None, Mode::Pin).unwrap();
            assert!(v7(&prod, target, None, Mode::Start).unwrap_err().is_unsupported(), "{target}");
        }
        assert!(v7(&prod, "2.85.2+rev4.dev", None, Mode::Pin).unwrap_err().is_unsupported());
        assert!(v7(&prod, "2.85.2+rev3", None, Mode::Pin).unwrap_err().is_unsupported());
    }

    #[test]
    fn extended_support_has_to_be_based_on_something_newer() {
        let rolling = device("balenaOS 2.113.4", Some("prod"));
        v7(&rolling, "2023.4.1", Some("2.120.0"), Mode::Start).unwrap();
        assert!(v7(&rolling, "2021.4.0", Some("2.80.0"), Mode::Start).unwrap_err().is_unsupported());
        v7(&device("balenaOS 2021.1.1", Some("prod")), "2023.4.1", Some("2.50.0"), Mode::Start).unwrap();
    }

    #[test]
    fn a_device_that_is_not_there_is_not_started() {
        let away = Device { is_online: Some(false), is_connected_to_vpn: None, ..device("2.80.0", None) };
        assert!(v7(&away, "2.98.33", None, Mode::Start).unwrap_err().is_device_offline());
        v7(&away, "2.98.33", None, Mode::Pin).unwrap();
        let old = check(ApiVersion::V6, &away, Some("raspberrypi3"), ("2.98.33", None), Mode::Start);
        assert!(old.unwrap_err().is_device_offline());
    }

    #[test]
    fn what_is_not_known_of_a_device_is_told() {
        let known = device("2.80.0", None);
        let unknown = [
            Device { uuid: None, ..known.clone() },
            Device { os_version: None, ..known.clone() },
            device("weird", None),
        ];
        for device in &unknown {
            let error = v7(device, "2.98.33", None, Mode::Start).unwrap_err();
            assert!(error.is_unsupported(), "{error}");
        }
        let no_type = check(ApiVersion::V7, &known, None, ("2.98.33", None), Mode::Start);
        assert!(no_type.unwrap_err().to_string().contains("type"));
    }
}
