//! Releases that the builder builds from a tarball at a URL.

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::core::EndpointRequest;
use crate::error::{Error, ErrorKind, Result};
use crate::http::BufferedResponse;
use crate::ids::ReleaseId;
use crate::odata::Query;
use crate::resource::json_request::decode;
use crate::resource::keys::ApplicationKey;
use crate::resource::read::response_error;
use crate::resource::request_builder::RequestBuilder;
use crate::rows::{Application, Organization};

use super::Releases;

const FLATTEN: &str = "shouldFlatten";

/// The characters not encoded in a query value.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Marker of the request of [`Releases::create_from_url`].
#[derive(Debug)]
pub struct BuildFromUrl;

impl Releases {
    /// Starts the build of a release from the tarball at a URL, and returns its id without waiting for the build
    /// (`POST /v3/buildFromUrl` of the builder, after `GET /v6/application`).
    ///
    /// It is never retried: each request starts another build.
    ///
    /// # Errors
    /// `is_not_found` if the application does not exist; `is_rejected`, with the builder's message, if the build
    /// does not start; `is_unauthorized` if nobody is logged in.
    #[doc(alias = "createFromUrl")]
    pub fn create_from_url(
        &self,
        application: impl Into<ApplicationKey>,
        url: impl Into<String>,
    ) -> RequestBuilder<BuildFromUrl, ReleaseId> {
        let (core, key, url) = (self.core.clone(), application.into(), url.into());
        RequestBuilder::new(move |given| async move {
            if url.trim().is_empty() {
                return Err(Error::argument("url", "it is empty"));
            }
            let names = Query::new()
                .select([Application::APP_NAME.name()])
                .expand(Application::ORGANIZATION.select([Organization::HANDLE.name()]));
            let row: Application = core.row_of(key.target::<Application>(names)?).await?;
            let handle = row.organization.rows().first().and_then(|organization| organization.handle.clone());
            let (Some(owner), Some(app)) = (handle, row.app_name) else {
                let text = "the response lacks the application's name or its organization's";
                return Err(Error::new(ErrorKind::Decode, text).with_sent(true));
            };
            let encoded = |text: &str| utf8_percent_encode(text, VALUE).to_string();
            let query = format!("headless=true&owner={}&app={}", encoded(&owner), encoded(&app));
            let flatten = given.get(FLATTEN).cloned().unwrap_or(Value::Bool(true));
            let body = json!({ "url": url, FLATTEN: flatten });
            let plain = EndpointRequest::new(Method::POST, format!("/v3/buildFromUrl?{query}"), Some(body));
            started(&core.send(EndpointRequest { base_url: Some(core.settings().builder()), ..plain }).await?)
        })
    }
}

impl RequestBuilder<BuildFromUrl, ReleaseId> {
    /// Sets whether to remove the single top-level folder of a tarball, such as GitHub's have: true by default;
    /// `None` leaves it to the builder.
    #[doc(alias = "shouldFlatten")]
    pub fn flatten_tarball(self, flatten: impl Into<Option<bool>>) -> Self {
        self.set(FLATTEN, flatten.into())
    }
}

/// Returns the id of the started build. The builder reports a failure with the status 200.
fn started(response: &BufferedResponse) -> Result<ReleaseId> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Answer {
        started: bool,
        release_id: Option<ReleaseId>,
        message: Option<String>,
        error: Option<String>,
    }
    let answer: Answer = decode(response)?;
    answer.release_id.filter(|_| answer.started).ok_or_else(|| {
        let words = answer.message.or(answer.error).unwrap_or_else(|| "it gives no reason".to_owned());
        response_error(response, ErrorKind::Rejected, format!("the builder did not start the build: {words}"))
    })
}
