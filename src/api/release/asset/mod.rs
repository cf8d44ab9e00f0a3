//! Release assets: files attached to a release.

mod key;
mod upload;

use std::sync::Arc;

use serde::Deserialize;

use crate::core::{Core, EndpointRequest};
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Download, Source, StreamingResponse};
use crate::odata::Query;
use crate::resource::read_request::{Get, List};
use crate::resource::request::Request;
use crate::resource::write::RowSelector;
use crate::resource::write_request::WriteRequest;
use crate::rows::{Release, ReleaseAsset, WebResource};

use super::{ReleaseKey, Releases};

pub use key::ReleaseAssetKey;
pub use upload::UploadAsset;

/// Files attached to releases. From [`Releases::asset`]. Version 6 of the API has none: these calls use version 7,
/// whatever the setting is.
#[derive(Debug, Clone)]
pub struct ReleaseAssets {
    core: Arc<Core>,
}

impl Releases {
    /// Returns the functions of release assets: files attached to a release, such as notes or firmware.
    pub fn asset(&self) -> ReleaseAssets {
        ReleaseAssets { core: self.core.clone() }
    }
}

impl ReleaseAssets {
    /// Lists the assets of a release, ordered by id (`GET /v7/release`).
    ///
    /// # Errors
    /// `is_not_found` if the release does not exist; `is_ambiguous` if several commits start with the text.
    #[doc(alias = "getAllByRelease")]
    pub fn get_all_by_release(&self, release: impl Into<ReleaseKey>) -> List<ReleaseAsset> {
        let (core, key) = (self.core.clone(), release.into());
        List::new(&self.core, async move {
            let release = key.target(&core, Query::new().select([Release::ID.name()])).await?;
            Ok(release.through(&Release::RELEASE_ASSET, Query::new().order_by(ReleaseAsset::ID.asc())))
        })
    }

    /// Reads one asset, by its id or by its release and name (`GET /v7/release_asset`).
    ///
    /// # Errors
    /// `is_not_found` if the asset does not exist; `is_ambiguous` if several commits start with the text.
    pub fn get(&self, asset: impl Into<ReleaseAssetKey>) -> Get<ReleaseAsset> {
        let (core, key) = (self.core.clone(), asset.into());
        Get::new(&self.core, async move { key.target(&core, Query::new()).await })
    }

    /// Downloads the file of an asset (`GET` of the address from `GET /v7/release_asset`). The token is sent to the
    /// API only.
    ///
    /// ```no_run
    /// # async fn example(balena: balena_agent::Balena) -> balena_agent::Result<()> {
    /// let firmware = balena.release().asset().download(("my_org/my_app", "1.2.3", "firmware.bin")).await?;
    /// firmware.to_file("/data/firmware.bin").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `is_not_found` if the asset does not exist or has no file yet.
    pub fn download(&self, asset: impl Into<ReleaseAssetKey>) -> Request<Download> {
        let (core, key) = (self.core.clone(), asset.into());
        Request::new(async move {
            let (clock, retry) = (core.http.clock.clone(), core.http.retry);
            let name = format!("release asset {key}");
            // The address expires, so every connection requests a new one.
            let open =
                Box::new(move |headers| -> crate::http::BoxFuture<'static, Result<StreamingResponse>> {
                    let (core, key) = (core.clone(), key.clone());
                    Box::pin(async move {
                        let href = href(&core, &key).await?;
                        core.stream_with_token(
                            EndpointRequest { base_url: Some(href), headers, ..EndpointRequest::get("") },
                            None,
                        )
                        .await
                        .map_err(refused)
                    })
                });
            Download::open(Source { open, name, clock, retry }).await
        })
    }

    /// Deletes an asset (`DELETE /v7/release_asset`). Succeeds even if it does not exist.
    ///
    /// # Errors
    /// `is_not_found` if the release does not exist; `is_ambiguous` if several commits start with the text.
    pub fn remove(&self, asset: impl Into<ReleaseAssetKey>) -> WriteRequest {
        let (core, key) = (self.core.clone(), asset.into());
        WriteRequest::new(&self.core, move |writer| async move {
            let rows = RowSelector::Key(key.key(&core).await?);
            writer.delete("release_asset", &rows).await
        })
    }
}

/// Requests the current address of the file.
async fn href(core: &Arc<Core>, key: &ReleaseAssetKey) -> Result<String> {
    #[derive(Deserialize)]
    struct Row {
        asset: Option<WebResource>,
    }
    let target = key.target(core, Query::new().select([ReleaseAsset::ASSET.name()])).await?;
    let row: Row = core.row_of(target).await?;
    row.asset.and_then(|asset| asset.href).ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("release asset {key} has no file"))
            .with_sent(true)
            .with_help("its upload is still running or was interrupted: upload it again with `.overwrite()`")
    })
}

/// Converts an error of the storage, which does not use the token: a refusal does not concern the login.
fn refused(error: Error) -> Error {
    if error.is_unauthorized() {
        return error.with_help("the storage refuses the address from the API: check this machine's clock");
    }
    error
}
