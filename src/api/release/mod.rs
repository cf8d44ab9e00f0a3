//! Releases, their tags and their assets.

mod asset;
mod create_from_url;
mod details;
mod key;
mod tags;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::core::Core;
use crate::error::{Error, Result};
use crate::odata::Query;

use crate::resource::key_value::KeyValue;
use crate::resource::keys::ApplicationKey;
use crate::resource::read::ReadTarget;
use crate::resource::read_request::{First, Get, List};
use crate::resource::write::RowSelector;
use crate::resource::write_request::WriteRequest;
use crate::rows::{Application, Release, ReleaseTag};

pub use asset::{ReleaseAssetKey, ReleaseAssets, UploadAsset};
pub use create_from_url::BuildFromUrl;
pub use details::{GetWithImageDetails, ImageDetails, ReleaseWithImageDetails};
pub use key::ReleaseKey;

/// Releases. From [`Balena::release`](crate::Balena::release).
#[derive(Debug, Clone)]
pub struct Releases {
    core: Arc<Core>,
}

impl Releases {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }

    /// Reads one release (`GET /v6/release`).
    ///
    /// # Errors
    /// `is_not_found` if the release does not exist; `is_ambiguous` if several commits start with the text.
    pub fn get(&self, release: impl Into<ReleaseKey>) -> Get<Release> {
        let (core, key) = (self.core.clone(), release.into());
        Get::new(&self.core, async move { key.target(&core, Query::new()).await })
    }

    /// Reads one release with its images and the user who created it (`GET /v6/release`).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "getWithImageDetails")]
    pub fn get_with_image_details(&self, release: impl Into<ReleaseKey>) -> GetWithImageDetails {
        GetWithImageDetails::new(&self.core, release.into())
    }

    /// Lists the releases of an application, latest first (`GET /v6/release`).
    ///
    /// # Errors
    /// `is_not_found` if the application does not exist.
    #[doc(alias = "getAllByApplication")]
    pub fn get_all_by_application(&self, application: impl Into<ApplicationKey>) -> List<Release> {
        List::new(&self.core, by_application(self.core.clone(), application.into(), Query::new()))
    }

    /// Reads the latest successful release of an application, or `None` if it has none (`GET /v6/release`).
    ///
    /// # Errors
    /// `is_not_found` if the application does not exist.
    #[doc(alias = "getLatestByApplication")]
    pub fn get_latest_by_application(&self, application: impl Into<ApplicationKey>) -> First<Release> {
        let latest = Query::new().filter(Release::STATUS.eq("success")).top(1);
        First::new(&self.core, by_application(self.core.clone(), application.into(), latest))
    }

    /// Finalizes a draft release (`PATCH /v6/release`).
    ///
    /// # Errors
    /// `is_not_found` if the release does not exist; `is_ambiguous` if several commits start with the text. Nothing
    /// is changed then.
    pub fn finalize(&self, release: impl Into<ReleaseKey>) -> WriteRequest {
        self.change(release.into(), json!({ "is_final": true }))
    }

    /// Invalidates a release, or makes it valid again (`PATCH /v6/release`).
    ///
    /// # Errors
    /// As [`finalize`](Self::finalize).
    #[doc(alias = "setIsInvalidated")]
    pub fn set_is_invalidated(&self, release: impl Into<ReleaseKey>, is_invalidated: bool) -> WriteRequest {
        self.change(release.into(), json!({ "is_invalidated": is_invalidated }))
    }

    /// Sets or removes the note (`PATCH /v6/release`).
    ///
    /// # Errors
    /// As [`finalize`](Self::finalize).
    #[doc(alias = "setNote")]
    pub fn set_note(&self, release: impl Into<ReleaseKey>, note: Option<&str>) -> WriteRequest {
        self.change(release.into(), json!({ "note": note }))
    }

    /// Sets or removes the list of known issues (`PATCH /v6/release`).
    ///
    /// # Errors
    /// As [`finalize`](Self::finalize).
    #[doc(alias = "setKnownIssueList")]
    pub fn set_known_issue_list(
        &self,
        release: impl Into<ReleaseKey>,
        known_issue_list: Option<&str>,
    ) -> WriteRequest {
        self.change(release.into(), json!({ "known_issue_list": known_issue_list }))
    }

    /// Sets the version of a release (`PATCH /v6/release`).
    ///
    /// # Errors
    /// `is_invalid_argument` if the text is not a [semantic version](https://semver.org); otherwise as
    /// [`finalize`](Self::finalize).
    #[doc(alias = "setReleaseVersion")]
    pub fn set_release_version(
        &self,
        release: impl Into<ReleaseKey>,
        semver: impl Into<String>,
    ) -> WriteRequest {
        let semver = semver.into();
        let why = || format!("`{}` is no version like 1.2.3", semver.escape_debug());
        let checked =
            if is_semantic_version(&semver) { Ok(()) } else { Err(Error::argument("semver", why())) };
        self.change(release.into(), json!({ "semver": semver })).checked(checked)
    }

    /// Returns the functions of tags of releases.
    pub fn tags(&self) -> KeyValue<ReleaseKey, ReleaseTag> {
        KeyValue::new(&self.core)
    }

    fn change(&self, key: ReleaseKey, columns: Value) -> WriteRequest {
        let core = self.core.clone();
        WriteRequest::new(&self.core, move |writer| async move {
            let id = core.id_of(key.target(&core, Query::new()).await?).await?;
            writer.change("release", &RowSelector::id(id), &columns).await
        })
    }
}

async fn by_application(core: Arc<Core>, key: ApplicationKey, more: Query) -> Result<ReadTarget> {
    let id = core.id_of(key.target::<Application>(Query::new())?).await?;
    let defaults =
        Query::new().filter(Release::BELONGS_TO_APPLICATION.id().eq(id)).order_by(Release::CREATED_AT.desc());
    Ok(ReadTarget::list::<Release>(defaults.merge(more)?))
}

/// Returns whether the text is `major.minor.patch` with an optional `-prerelease` and `+build`.
fn is_semantic_version(text: &str) -> bool {
    let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
    let (core, prerelease) = text.split_once('-').map_or((text, None), |(core, rest)| (core, Some(rest)));
    let number = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    let word = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    core.split('.').count() == 3
        && core.split('.').all(number)
        && prerelease
            .is_none_or(|rest| rest.split('.').all(|part| word(part) && (!digits(part) || number(part))))
        && build.is_none_or(|rest| rest.split('.').all(word))
}

#[cfg(test)]
mod tests {
    use super::is_semantic_version;

    #[test]
    fn versions_are_told_from_other_texts() {
        for good in ["1.2.4", "0.0.0", "1.0.0-alpha.1", "1.0.0+rev1", "1.0.0-0.x-y.7+001.a", "10.20.30--"] {
            assert!(is_semantic_version(good), "{good}");
        }
        for bad in [
            "",
            "1",
            "1.2",
            "1.2.3.4",
            "v1.0.0",
            "01.0.0",
            "1.0.0-",
            "1.0.0+",
            "1.0.0-01",
            "1.0.0-a..b",
            "1.0.0 ",
            "1.0.0-é",
            "1.0.0+a+b",
            "1.-2.3",
            "+1.2.3",
        ] {
            assert!(!is_semantic_version(bad), "{bad}");
        }
    }
}
