//! The release that an application's devices run.

use serde::Deserialize;
use serde_json::json;

use crate::api::release::ReleaseKey;
use crate::odata::{Expand, Query};
use crate::resource::key_value::ParentKey;
use crate::resource::keys::{ApplicationKey, IdRow};
use crate::resource::request::Request;
use crate::resource::write::RowSelector;
use crate::resource::write_request::WriteRequest;
use crate::rows::{Application, Release};

use super::Applications;

impl Applications {
    /// Returns whether the application tracks its latest release (`GET /v6/application`).
    ///
    /// # Errors
    /// `is_not_found` if the application does not exist.
    #[doc(alias = "willTrackNewReleases")]
    pub fn will_track_new_releases(&self, application: impl Into<ApplicationKey>) -> Request<bool> {
        let query = Query::new().select([Application::SHOULD_TRACK_LATEST_RELEASE.name()]);
        self.ask(application, query, |row| row.should_track_latest_release == Some(true))
    }

    /// Returns whether the application tracks its latest release and has it as its target (`GET /v6/application`).
    /// True for an application that tracks and has no release yet.
    ///
    /// # Errors
    /// `is_not_found` if the application does not exist.
    #[doc(alias = "isTrackingLatestRelease")]
    pub fn is_tracking_latest_release(&self, application: impl Into<ApplicationKey>) -> Request<bool> {
        let query = Query::new()
            .select([Application::SHOULD_TRACK_LATEST_RELEASE.name()])
            .expand(Application::SHOULD_BE_RUNNING_RELEASE.select(["id"]))
            .expand(latest_release());
        self.ask(application, query, |row| {
            let target = row.should_be_running_release.get().and_then(|release| release.id);
            let latest = row.owns_release.get().and_then(|release| release.id);
            row.should_track_latest_release == Some(true) && (latest.is_none() || latest == target)
        })
    }

    /// Returns the commit of the application's target release, or `None` if there is none (`GET /v6/application`).
    ///
    /// # Errors
    /// `is_not_found` if the application does not exist.
    #[doc(alias = "getTargetReleaseHash")]
    pub fn get_target_release_hash(&self, application: impl Into<ApplicationKey>) -> Request<Option<String>> {
        let query = Query::new()
            .select(["id"])
            .expand(Application::SHOULD_BE_RUNNING_RELEASE.select([Release::COMMIT.name()]));
        self.ask(application, query, |row| row.should_be_running_release.into_rows().pop()?.commit)
    }

    /// Reads some columns of one application and converts them.
    fn ask<T>(
        &self,
        application: impl Into<ApplicationKey>,
        query: Query,
        answer: impl FnOnce(Application) -> T + Send + 'static,
    ) -> Request<T> {
        let (core, key) = (self.core.clone(), application.into());
        Request::new(
            async move { Ok(answer(core.whole_row(key.target::<Application>(query)?).await?.one()?)) },
        )
    }

    /// Pins an application to a release: devices without a pin of their own run it, and new releases do not change
    /// that (`PATCH /v6/application`, after `GET /v6/release`).
    ///
    /// # Errors
    /// `is_not_found` if the application does not exist, or has no successful release with this commit or id.
    #[doc(alias = "pinToRelease")]
    pub fn pin_to_release(
        &self,
        application: impl Into<ApplicationKey>,
        full_release_hash: impl Into<ReleaseKey>,
    ) -> WriteRequest {
        let (core, key, release) = (self.core.clone(), application.into(), full_release_hash.into());
        WriteRequest::new(&self.core, move |writer| async move {
            release.check()?;
            let id = key.resolve(core.clone()).await?;
            let of_it = Release::BELONGS_TO_APPLICATION.id().eq(id).and(Release::STATUS.eq("success"));
            let release = release.target(&core, Query::new().filter(of_it).top(1)).await?;
            let release = core.id_of(release).await?;
            let pin = json!({ "should_be_running__release": release, "should_track_latest_release": false });
            writer.change("application", &RowSelector::id(id), &pin).await
        })
    }

    /// Makes an application track its latest release, starting with the current one (`PATCH /v6/application`, after
    /// `GET /v6/application`).
    ///
    /// # Errors
    /// `is_not_found` if the application does not exist.
    #[doc(alias = "trackLatestRelease")]
    pub fn track_latest_release(&self, application: impl Into<ApplicationKey>) -> WriteRequest {
        #[derive(Deserialize)]
        struct Row {
            id: i64,
            #[serde(rename = "owns__release")]
            releases: Vec<IdRow>,
        }
        let key = application.into();
        WriteRequest::new(&self.core, move |writer| async move {
            let query = Query::new().select(["id"]).expand(latest_release());
            let found = writer.core().whole_row(key.target::<Application>(query)?).await?;
            let Row { id, releases } = found.one()?;
            let mut change = json!({ "should_track_latest_release": true });
            // Without a release there is no target yet; the first release becomes it.
            if let (Some(latest), Some(columns)) = (releases.first(), change.as_object_mut()) {
                columns.insert("should_be_running__release".into(), latest.id.into());
            }
            writer.change("application", &RowSelector::id(id), &change).await
        })
    }
}

/// Expands the latest release that can be tracked: final, not invalidated, tests passed, built.
fn latest_release() -> Expand<Application, Release> {
    let good = Release::IS_FINAL
        .eq(true)
        .and(Release::IS_PASSING_TESTS.eq(true))
        .and(Release::IS_INVALIDATED.eq(false))
        .and(Release::STATUS.eq("success"));
    Application::OWNS_RELEASE.select(["id"]).filter(good).order_by(Release::CREATED_AT.desc()).top(1)
}
