//! Versions of the host OS, from the releases and tags of the platform's applications.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, ErrorKind, Result};
use crate::odata::Nav;
use crate::open_enum::open_enum;
use crate::rows::{DeviceType, Release};
use crate::settings::ApiVersion;
use crate::version::Version;

use super::rules::{is_of_line, newest_first, stripped};

/// Returns the published version that text in another form means: `v2.98.33`, `2.98.33.prod`, `balenaOS
/// 2.98.33+rev1`; without a revision, the newest. A development variant must be named.
pub(crate) fn published_as<'a>(versions: &'a [OsVersion], text: &str) -> Option<&'a OsVersion> {
    let exact = versions.iter().find(|version| version.raw_version() == text);
    let subject = Version::parse_full(text)?;
    let same = |version: &&OsVersion| {
        Version::parse_full(version.raw_version()).is_some_and(|version| subject.matches_published(&version))
    };
    exact.or_else(|| {
        versions.iter().filter(same).max_by_key(|version| Version::parse_full(version.raw_version()))
    })
}

open_enum! {
    /// Support period of a host OS version.
    OsType {
        /// Supported until the next version.
        Default = "default",
        /// Extended support (ESR): supported for longer.
        Esr = "esr",
    }
}

open_enum! {
    /// Support phase of a line of host OS versions.
    OsLine {
        /// The upcoming line.
        Next = "next",
        /// The recommended line.
        Current = "current",
        /// A line near the end of its support.
        Sunset = "sunset",
        /// A line that is no longer supported.
        Outdated = "outdated",
    }
}

/// A version of the host OS: its release `R`, and values derived from it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OsVersion<R = Release> {
    /// The release. `raw_version` and `variant` are filled in from its tags if the columns lack them.
    #[serde(flatten)]
    pub release: R,
    /// Support period.
    pub os_type: OsType,
    /// Support phase. Absent if neither the release nor the application's tags have one.
    pub line: Option<OsLine>,
    /// Version without its variant.
    pub stripped_version: String,
    /// Version of the common base (meta-balena) of all host OSes.
    pub based_on_version: String,
    /// Whether it is the newest of its type among those that are neither pre-releases nor development variants and
    /// have no known issue.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_recommended: bool,
    /// Version for display. Present for a recommended version only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formatted_version: Option<String>,
}

/// A host OS application, as requested.
#[derive(Debug, Deserialize)]
pub(super) struct HostApp {
    #[serde(default)]
    application_tag: Nav<Tag>,
    #[serde(default, rename = "is_for__device_type")]
    device_type: Nav<DeviceType>,
    #[serde(default, rename = "owns__release")]
    releases: Nav<Map<String, Value>>,
}

/// A tag of an application or a release.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Tag {
    tag_key: Option<String>,
    value: Option<String>,
}

/// Values of an application's tags that apply to all its releases.
struct ApplicationTags {
    os_type: OsType,
    /// Support phases, each with the line that it applies to, as in the tag: `2021.4.x`.
    lines: Vec<(OsLine, String)>,
}

/// A release, not yet decoded.
struct FoundRelease {
    version: Version,
    columns: Map<String, Value>,
    variant: String,
    os_type: OsType,
    line: Option<OsLine>,
    stripped_version: String,
    based_on_version: String,
}

/// Returns the versions by device type, newest first. Omits releases without a version.
///
/// # Errors
/// `is_decode` if the version was not requested.
pub(super) fn by_device_type<R: DeserializeOwned>(
    api: ApiVersion,
    apps: Vec<HostApp>,
) -> Result<BTreeMap<String, Vec<OsVersion<R>>>> {
    let mut all: BTreeMap<String, Vec<FoundRelease>> = BTreeMap::new();
    let (mut is_any, mut is_told) = (false, false);
    for app in apps {
        // An application without a device type matches none of the requested ones.
        let Some(slug) = app.device_type.into_rows().pop().and_then(|row| row.slug) else { continue };
        let policy = ApplicationTags::of(app.application_tag.rows());
        let found = all.entry(slug).or_default();
        for columns in app.releases.into_rows() {
            is_told |= columns.contains_key("raw_version");
            is_any = true;
            found.extend(FoundRelease::of(api, columns, &policy));
        }
    }
    if is_any && !is_told {
        return Err(Error::new(ErrorKind::Decode, "no release in the response has a `raw_version`")
            .with_sent(true)
            .with_help("select `raw_version` too: the other values are derived from it"));
    }
    let mut sorted = BTreeMap::new();
    for (slug, mut found) in all {
        found.sort_by(|left, right| newest_first(api, &left.version, &right.version));
        let mut recommended: Vec<OsType> = Vec::new();
        let versions = found.into_iter().map(|found| {
            let is_recommended = found.is_good() && !recommended.contains(&found.os_type);
            if is_recommended {
                recommended.push(found.os_type.clone());
            }
            found.finish(is_recommended)
        });
        sorted.insert(slug, versions.collect::<Result<_>>()?);
    }
    Ok(sorted)
}

impl ApplicationTags {
    fn of(tags: &[Tag]) -> Self {
        let value = |key: &str| tag(tags, key).map(str::to_owned);
        let lines =
            [(OsLine::Next, "esr-next"), (OsLine::Current, "esr-current"), (OsLine::Sunset, "esr-sunset")];
        Self {
            os_type: value("release-policy").map_or(OsType::Default, OsType::from),
            lines: lines.into_iter().filter_map(|(line, key)| Some((line, value(key)?))).collect(),
        }
    }

    /// Returns the support phase. The release's own takes precedence over the application's tags.
    fn line(&self, api: ApiVersion, phase: Option<&str>, version: &str) -> Option<OsLine> {
        match phase.filter(|phase| !phase.is_empty()) {
            Some("end-of-life") => Some(OsLine::Outdated),
            Some(phase) => Some(phase.into()),
            None => {
                let version = Version::parse_full(version)?;
                let line = self.lines.iter().find(|(_, line)| is_of_line(api, &version, line));
                let extended = self.os_type.as_str().eq_ignore_ascii_case(OsType::Esr.as_str());
                line.map(|(line, _)| line.clone()).or_else(|| extended.then_some(OsLine::Outdated))
            }
        }
    }
}

impl FoundRelease {
    /// Returns `None` for a release without a version.
    fn of(api: ApiVersion, mut columns: Map<String, Value>, policy: &ApplicationTags) -> Option<Self> {
        let text = |name: &str| columns.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut raw = text("raw_version");
        let tags: Nav<Tag> = columns
            .get("release_tag")
            .and_then(|tags| Deserialize::deserialize(tags).ok())
            .unwrap_or_default();
        let tags = tags.rows();
        let mut variant = text("variant");
        // Older releases have their version in tags, and 0.0.0 in the column.
        let told = Some(&*raw).filter(|raw| !raw.starts_with("0.0.0")).and_then(Version::parse_full);
        let stripped_version = if let Some(version) = told {
            stripped(api, version, &variant).to_string()
        } else {
            let version = tag(tags, "version")?;
            variant = match tag(tags, "variant") {
                Some("production") => "prod".to_owned(),
                Some("development") => "dev".to_owned(),
                Some(other) => other.to_owned(),
                None => variant,
            };
            raw = if variant.is_empty() { version.to_owned() } else { format!("{version}.{variant}") };
            version.to_owned()
        };
        let version = Version::parse_full(&raw)?;
        let phase = columns.get("phase").and_then(Value::as_str);
        let line = policy.line(api, phase, &stripped_version);
        let based_on_version = tag(tags, "meta-balena-base").unwrap_or(&stripped_version).to_owned();
        columns.insert("raw_version".to_owned(), raw.into());
        Some(Self {
            version,
            columns,
            variant,
            os_type: policy.os_type.clone(),
            line,
            stripped_version,
            based_on_version,
        })
    }

    fn is_good(&self) -> bool {
        let issues = self.columns.get("known_issue_list").and_then(Value::as_str);
        self.variant != "dev" && issues.is_none_or(str::is_empty) && !self.version.is_prerelease()
    }

    fn finish<R: DeserializeOwned>(self, is_recommended: bool) -> Result<OsVersion<R>> {
        let Self { mut columns, variant, os_type, line, stripped_version, based_on_version, .. } = self;
        let variant = if variant.is_empty() { Value::Null } else { variant.into() };
        columns.insert("variant".to_owned(), variant);
        let release = serde_json::from_value(Value::Object(columns)).map_err(|cause| {
            Error::new(ErrorKind::Decode, format!("a release in the response can't be read: {cause}"))
                .with_sent(true)
        })?;
        let formatted_version = is_recommended.then(|| match &line {
            Some(line) => format!("v{stripped_version} ({line}, recommended)"),
            None => format!("v{stripped_version} (recommended)"),
        });
        Ok(OsVersion {
            release,
            os_type,
            line,
            stripped_version,
            based_on_version,
            is_recommended,
            formatted_version,
        })
    }
}

/// Returns the value of a tag. If there are several, the last one counts.
fn tag<'a>(tags: &'a [Tag], key: &str) -> Option<&'a str> {
    tags.iter().rev().find(|tag| tag.tag_key.as_deref() == Some(key))?.value.as_deref()
}

impl<R> OsVersion<R> {
    /// Returns whether the version is of this type.
    pub(super) fn is_of(&self, os_type: Option<&OsType>) -> bool {
        os_type.is_none_or(|os_type| self.os_type == *os_type)
    }
}

impl OsVersion {
    /// Returns the full version as text.
    pub fn raw_version(&self) -> &str {
        self.release.raw_version.as_deref().unwrap_or_default()
    }
}
