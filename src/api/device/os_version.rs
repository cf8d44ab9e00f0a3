//! The OS version in a device's row.

use crate::rows::Device;
use crate::version::Version;

use super::Devices;

impl Devices {
    /// Returns the version of a device's host OS with its variant, `2.80.3+rev1.prod`, from `os_version` and
    /// `os_variant` of the row. Sends no request. `None` if the row has no version, or a malformed one.
    #[doc(alias = "getOsVersion")]
    pub fn get_os_version(&self, device: &Device) -> Option<String> {
        let version = Version::parse_full(device.os_version.as_deref()?)?;
        let variant = device.os_variant.as_deref().filter(|variant| !variant.is_empty());
        Some(variant.map_or(version.clone(), |variant| version.with_variant(variant)).to_string())
    }
}

#[cfg(test)]
mod tests {
    use crate::Balena;
    use crate::rows::Device;

    fn version(version: &str, variant: Option<&str>) -> Option<String> {
        let device = Device {
            os_version: Some(version.to_owned()),
            os_variant: variant.map(str::to_owned),
            ..Device::default()
        };
        Balena::builder().build().device().get_os_version(&device)
    }

    #[test]
    fn every_form_of_a_version_comes_out_as_one() {
        for (text, variant, expected) in [
            ("balenaOS 2.80.3+rev1", "prod", "2.80.3+rev1.prod"),
            ("balenaOS 2.80.3+rev1.prod", "prod", "2.80.3+rev1.prod"),
            ("Resin OS 2.0.2-beta.1", "dev", "2.0.2-beta.1+dev"),
            ("balenaOS 2.0.0-dev", "dev", "2.0.0-dev"),
            ("Resin OS 1.2.1.rev2", "", "1.2.1+rev2"),
            ("Resin OS 2.0.0-beta.1.rev2", "", "2.0.0-beta.1+rev2"),
            ("Resin OS 2.0.0+rev4 (prod)", "prod", "2.0.0+rev4.prod"),
            ("2.12.7.dev", "dev", "2.12.7+dev"),
            ("balenaOS 2021.4.0", "prod", "2021.4.0+prod"),
            ("v2.84.7-1628000000000", "dev", "2.84.7-1628000000000+dev"),
        ] {
            assert_eq!(version(text, Some(variant)).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(version("balenaOS 2.80.3", None).as_deref(), Some("2.80.3"));
    }

    #[test]
    fn what_is_no_version_is_none() {
        for text in ["", "weird", "balenaOS", "2.80", "2.80.3.4", "2.x.1", "2.1.0+", "1.2.3-"] {
            assert_eq!(version(text, Some("prod")), None, "{text}");
        }
        assert_eq!(Balena::builder().build().device().get_os_version(&Device::default()), None);
    }
}
