//! Tags of releases.

use serde_json::json;

use crate::odata::Query;
use crate::resource::key_value::{KeyValue, KeyValueKind};
use crate::resource::keys::ApplicationKey;
use crate::resource::read_request::List;
use crate::rows::{Application, Release, ReleaseTag};

use super::ReleaseKey;

impl KeyValueKind for ReleaseTag {
    const KEY: &'static str = "tag_key";
    const PARENT: &'static str = "release";
}

impl KeyValue<ReleaseKey, ReleaseTag> {
    /// Lists the tags of all releases, ordered by key (`GET /v6/release_tag`).
    #[doc(alias = "getAll")]
    pub fn get_all(&self) -> List<ReleaseTag> {
        self.list(async { Ok(None) })
    }

    /// Lists the tags of all releases of an application, ordered by key (`GET /v6/release_tag`).
    ///
    /// # Errors
    /// `is_not_found` if the application does not exist.
    #[doc(alias = "getAllByApplication")]
    pub fn get_all_by_application(&self, application: impl Into<ApplicationKey>) -> List<ReleaseTag> {
        let (core, key) = (self.core().clone(), application.into());
        self.list(async move {
            let id = core.id_of(key.target::<Application>(Query::new())?).await?;
            Ok(Some(json!({
                "release": { "$any": { "$alias": "r", "$expr": { "r": { "belongs_to__application": id } } } }
            })))
        })
    }

    /// Lists the tags of a release, ordered by key (`GET /v6/release`).
    ///
    /// # Errors
    /// `is_not_found` if the release does not exist; `is_ambiguous` if several commits start with the text.
    #[doc(alias = "getAllByRelease")]
    pub fn get_all_by_release(&self, release: impl Into<ReleaseKey>) -> List<ReleaseTag> {
        let (core, key) = (self.core().clone(), release.into());
        List::new(self.core(), async move {
            let release = key.target(&core, Query::new().select(["id"])).await?;
            Ok(release.through(&Release::RELEASE_TAG, Query::new().order_by(ReleaseTag::TAG_KEY.asc())))
        })
    }
}
