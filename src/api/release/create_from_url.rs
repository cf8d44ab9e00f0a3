//! Releases that the cloud builds from a tarball somewhere else.

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::answer::decode;
use crate::api::filled::Filled;
use crate::api::keys::ApplicationKey;
use crate::api::read::about;
use crate::api::rows::{Application, Organization};
use crate::core::Plain;
use crate::error::{Error, ErrorKind, Result};
use crate::http::Reply;
use crate::ids::ReleaseId;
use crate::odata::Query;

use super::Releases;

const FLATTEN: &str = "shouldFlatten";

/// What stays as it is in a query.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The optional values of a build: [`Releases::create_from_url`].
#[derive(Debug)]
pub struct BuildFromUrl;

impl Releases {
    /// Has the cloud build a release from the tarball at a URL, and returns its id without waiting for the build
    /// (`POST /v3/buildFromUrl` of the builder, after `GET /v6/application`).
    ///
    /// It is sent once and never again by itself: each time would be another build.
    ///
    /// # Errors
    /// `is_not_found` when the application is not there; `is_rejected` in the builder's words when it does not
    /// begin; `is_unauthorized` when nobody is logged in.
    #[doc(alias = "createFromUrl")]
    pub fn create_from_url(
        &self,
        application: impl Into<ApplicationKey>,
        url: impl Into<String>,
    ) -> Filled<BuildFromUrl, ReleaseId> {
        let (core, key, url) = (self.core.clone(), application.into(), url.into());
        Filled::new(move |given| async move {
            if url.trim().is_empty() {
                return Err(Error::argument("url", "it is empty"));
            }
            let names = Query::new()
                .select([Application::APP_NAME.name()])
                .expand(Application::ORGANIZATION.select([Organization::HANDLE.name()]));
            let row: Application = core.row_of(key.target::<Application>(names)?).await?;
            let handle = row.organization.rows().first().and_then(|organization| organization.handle.clone());
            let (Some(owner), Some(app)) = (handle, row.app_name) else {
                let text = "the application came without its name, or without its organization's";
                return Err(Error::new(ErrorKind::Decode, text).sent(true));
            };
            let encoded = |text: &str| utf8_percent_encode(text, VALUE).to_string();
            let query = format!("headless=true&owner={}&app={}", encoded(&owner), encoded(&app));
            let flatten = given.get(FLATTEN).cloned().unwrap_or(Value::Bool(true));
            let body = json!({ "url": url, FLATTEN: flatten });
            let plain = Plain::post(Method::POST, format!("/v3/buildFromUrl?{query}"), Some(body));
            started(&core.plain(Plain { base: Some(core.settings.builder()), ..plain }).await?)
        })
    }
}

impl Filled<BuildFromUrl, ReleaseId> {
    /// Whether the one folder that everything in the tarball is in, as in those of GitHub, is taken off: yes,
    /// unless told otherwise; `None` leaves it to the builder.
    #[doc(alias = "shouldFlatten")]
    pub fn flatten_tarball(self, flatten: impl Into<Option<bool>>) -> Self {
        self.give(FLATTEN, flatten.into())
    }
}

/// The builder tells in a 200 that it does not begin.
fn started(reply: &Reply) -> Result<ReleaseId> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Answer {
        started: bool,
        release_id: Option<ReleaseId>,
        message: Option<String>,
        error: Option<String>,
    }
    let answer: Answer = decode(reply)?;
    answer.release_id.filter(|_| answer.started).ok_or_else(|| {
        let words = answer.message.or(answer.error).unwrap_or_else(|| "it does not say why".to_owned());
        about(reply, ErrorKind::Rejected, format!("the builder does not begin: {words}"))
    })
}
