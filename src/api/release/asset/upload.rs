//! Uploads of assets: small files in a form, large ones in parts that go to the storage directly.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use http::{Method, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::api::release::ReleaseKey;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result, escaped};
use crate::http::{BufferedResponse, MultipartForm, Progress, ProgressFn};
use crate::odata::{Key, Query};
use crate::resource::json_request::decode;
use crate::resource::key_value::ParentKey as _;
use crate::resource::keys::IdRow;
use crate::resource::read::{ReadTarget, response_error, rows};
use crate::resource::upload::{OpenFile, UploadFile};
use crate::rows::ReleaseAsset;

use super::key::{by_name, not_empty};
use super::{ReleaseAssets, refused};

const RESOURCE: &str = "release_asset";
/// Size in bytes above which a file is sent in parts, and the smallest part that the storage accepts, except for the
/// last.
const PART: u64 = 5 * 1024 * 1024;
/// Largest part size in bytes: one part is in memory at a time.
const LONGEST_PART: u64 = 64 * 1024 * 1024;
const NO_KNOWN_TYPE: &str = "application/octet-stream";

/// A request that uploads an asset and returns its row: [`ReleaseAssets::upload`].
///
/// Nothing is sent before `.await`. Dropping it cancels the upload; the asset may then exist without a file.
#[must_use = "nothing is sent before `.await`"]
pub struct UploadAsset<T = ReleaseAsset> {
    upload: Upload,
    types: PhantomData<fn() -> T>,
}

struct Upload {
    core: Arc<Core>,
    release: ReleaseKey,
    asset_key: String,
    file: UploadFile,
    overwrites: bool,
    part: u64,
    report: Option<ProgressFn>,
}

impl ReleaseAssets {
    /// Uploads a file as an asset of a release. A file of more than 5 MiB is sent in parts, one after the other,
    /// with one part in memory at a time.
    ///
    /// Small: `GET /v7/release_asset`, then `POST`, or `PATCH` to overwrite. Large: after the `GET`, a `POST` of the
    /// asset without its file unless it exists, `POST …/beginUpload`, a `PUT` of each part to the storage,
    /// `POST …/commitUpload`.
    ///
    /// ```no_run
    /// use balena_agent::UploadFile;
    ///
    /// # async fn example(balena: balena_agent::Balena) -> balena_agent::Result<()> {
    /// let firmware = UploadFile::path("/data/firmware.bin");
    /// let asset = balena
    ///     .release()
    ///     .asset()
    ///     .upload(("my_org/my_app", "1.2.3"), "firmware.bin", firmware)
    ///     .overwrite()
    ///     .progress(|so_far| println!("{} of {:?}", so_far.done, so_far.total))
    ///     .await?;
    /// # let _ = asset;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `is_io` if the file can't be read or changes during the upload; `is_not_found` if the release does not exist;
    /// `is_ambiguous` if several commits start with the text; `is_conflict` if an asset of this name exists and
    /// [`overwrite`](UploadAsset::overwrite) is not set.
    pub fn upload(
        &self,
        release: impl Into<ReleaseKey>,
        asset_key: impl Into<String>,
        file: impl Into<UploadFile>,
    ) -> UploadAsset {
        let upload = Upload {
            core: self.core.clone(),
            release: release.into(),
            asset_key: asset_key.into(),
            file: file.into(),
            overwrites: false,
            part: PART,
            report: None,
        };
        UploadAsset { upload, types: PhantomData }
    }
}

impl<T> UploadAsset<T> {
    /// Replaces the file of an existing asset of this name.
    pub fn overwrite(mut self) -> Self {
        self.upload.overwrites = true;
        self
    }

    /// Sets the size of a part of a large file in bytes: 5 MiB by default, at most 64 MiB.
    #[doc(alias = "chunkSize")]
    pub fn chunk_size(mut self, bytes: u64) -> Self {
        self.upload.part = bytes;
        self
    }

    /// Sets a callback for the progress: called at the start and the end of a small file, and with every part of a
    /// large one.
    #[doc(alias = "onUploadProgress")]
    pub fn progress(mut self, report: impl FnMut(Progress) + Send + 'static) -> Self {
        self.upload.report = Some(Box::new(report));
        self
    }

    /// Decodes the row into another type.
    pub fn rows<U>(self) -> UploadAsset<U> {
        UploadAsset { upload: self.upload, types: PhantomData }
    }
}

impl<T: DeserializeOwned + Send + 'static> IntoFuture for UploadAsset<T> {
    type Output = Result<T>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let core = self.upload.core.clone();
            match self.upload.send().await? {
                UploadResult::Row(response) => decode(&response),
                UploadResult::Asset(id) => {
                    let target = ReadTarget::one::<ReleaseAsset>(Some(Key::id(id)), Query::new(), id);
                    core.row_of(target).await
                }
            }
        })
    }
}

impl<T> fmt::Debug for UploadAsset<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Upload { release, asset_key, file, .. } = &self.upload;
        f.debug_struct("UploadAsset")
            .field("release", release)
            .field("asset_key", asset_key)
            .field("file", file)
            .finish_non_exhaustive()
    }
}

/// Result of an upload.
enum UploadResult {
    /// The row, in a response.
    Row(BufferedResponse),
    /// The id of the row.
    Asset(i64),
}

impl Upload {
    /// Sends the file. Not generic, so that it is compiled once.
    async fn send(mut self) -> Result<UploadResult> {
        not_empty(&self.asset_key)?;
        if self.part == 0 || self.part > LONGEST_PART {
            return Err(Error::argument("chunk_size", format_args!("it has to be 1 to {LONGEST_PART}")));
        }
        let file = self.file.clone().open("file").await?;
        let release = self.release.clone().resolve(self.core.clone()).await?;
        let query = Query::new().select(["id"]);
        let response = self.core.read(RESOURCE, Some(&by_name(release, &self.asset_key)), &query).await?;
        let there = rows::<IdRow>(&response)?.into_iter().next().map(|row| row.id);
        if there.is_some() && !self.overwrites {
            let (name, release) = (escaped(&self.asset_key), &self.release);
            let text = format!("release {release} has an asset {name} already");
            return Err(response_error(&response, ErrorKind::Conflict, text)
                .with_help("`.overwrite()` replaces its file"));
        }
        if file.size() <= PART {
            return self.send_form(release, there, file).await;
        }
        let id = if let Some(id) = there {
            id
        } else {
            let body = json!({ "asset_key": self.asset_key, "release": release, "asset": null });
            self.core.create::<ReleaseAsset, IdRow>(&body).await?.id
        };
        match self.send_parts(id, file).await {
            Err(error) if there.is_none() && error.advice().is_none() => {
                Err(error.with_help("the asset exists without a file: upload it again with `.overwrite()`"))
            }
            sent => sent.map(|()| UploadResult::Asset(id)),
        }
    }

    async fn send_form(
        &mut self,
        release: i64,
        there: Option<i64>,
        mut file: OpenFile,
    ) -> Result<UploadResult> {
        let size = file.size();
        self.tell(0, size);
        let content = file.whole().await?;
        let content_type = file.content_type.as_deref().unwrap_or(NO_KNOWN_TYPE);
        let mut form = MultipartForm::new();
        if there.is_none() {
            form = form.text("asset_key", &self.asset_key).text("release", &release.to_string());
        }
        form = form.file("asset", &file.name, Some(content_type), &content);
        drop(content);
        let key = there.map(Key::id);
        let method = if there.is_some() { Method::PATCH } else { Method::POST };
        let address = Query::new().address(RESOURCE, key.as_ref())?;
        let response = self.core.send_resource_form(method, &address, form).await?;
        self.tell(size, size);
        Ok(there.map_or(UploadResult::Row(response), UploadResult::Asset))
    }

    async fn send_parts(&mut self, id: i64, mut file: OpenFile) -> Result<()> {
        let size = file.size();
        let content_type = file.content_type.as_deref().unwrap_or(NO_KNOWN_TYPE);
        let begin = json!({ "asset": {
            "filename": file.name,
            "content_type": content_type,
            "size": size,
            "chunk_size": self.part,
        }});
        let response = act(&self.core, id, "beginUpload", &begin).await?;
        let UploadSession { uuid, parts } = parse_session(&response, size, self.part)?;
        let mut done = 0;
        let mut sent = Vec::new();
        for Part { url, number, length } in parts {
            let piece = file.piece(done, length).await?;
            let response = self.core.put_bytes(url, piece).await.map_err(refused)?;
            sent.push(json!({ "PartNumber": number, "ETag": etag(&response)? }));
            done += length;
            self.tell(done, size);
        }
        file.unchanged().await?;
        let commit = json!({ "uuid": uuid, "providerCommitData": { "Parts": sent } });
        act(&self.core, id, "commitUpload", &commit).await.map(drop)
    }

    fn tell(&mut self, done: u64, total: u64) {
        if let Some(report) = &mut self.report {
            report(Progress { done, total: Some(total) });
        }
    }
}

async fn act(core: &Core, id: i64, action: &'static str, body: &Value) -> Result<BufferedResponse> {
    let address = Query::new().address(RESOURCE, Some(&Key::id(id)))?.action(action);
    core.send_resource(Method::POST, &address, Some(body), false).await
}

/// A started upload: the addresses of its parts.
struct UploadSession {
    uuid: String,
    parts: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    url: String,
    #[serde(rename = "partNumber")]
    number: u64,
    #[serde(rename = "chunkSize")]
    length: u64,
}

/// Reads the parts in order, and checks that they cover the whole file.
fn parse_session(response: &BufferedResponse, size: u64, longest: u64) -> Result<UploadSession> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Asset {
        uuid: String,
        upload_parts: Vec<Part>,
    }
    #[derive(Deserialize)]
    struct Answer {
        asset: Asset,
    }
    let Asset { uuid, upload_parts: mut parts } = decode::<Answer>(response)?.asset;
    parts.sort_by_key(|part| part.number);
    let lengths = parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(part.length));
    if lengths != Some(size) || parts.iter().any(|part| part.length > longest) {
        let text = format!("the requested parts do not cover the {size} bytes of the file");
        return Err(response_error(response, ErrorKind::Decode, text));
    }
    Ok(UploadSession { uuid, parts })
}

/// Returns the `ETag` of an uploaded part.
fn etag(response: &BufferedResponse) -> Result<String> {
    let tag = response.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok());
    let tag = tag.map(|tag| tag.trim_matches('"')).filter(|tag| !tag.is_empty());
    tag.map(str::to_owned).ok_or_else(|| {
        response_error(response, ErrorKind::Decode, "the storage accepted a part without an ETag".to_owned())
    })
}
