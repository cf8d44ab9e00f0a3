//! A release with its images and its user.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::odata::Query;
use crate::rows::{Image, Release, ReleaseImage, Service, User};

use super::ReleaseKey;

/// A release, its images ordered by the names of their services, and the user who created it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ReleaseWithImageDetails {
    /// Columns of the release.
    #[serde(flatten)]
    pub release: Release,
    /// Images of the release, ordered by the names of their services.
    pub images: Vec<ImageDetails>,
    /// User who created it: id and user name. Absent if unknown.
    pub user: Option<User>,
}

/// An image and its service.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ImageDetails {
    /// Columns of the image: its id, unless more were requested.
    #[serde(flatten)]
    pub image: Image,
    /// Name of the service that the image is a build of.
    pub service_name: Option<String>,
}

/// A request for a release with its images: [`Releases::get_with_image_details`](super::Releases).
///
/// Nothing is sent before `.await`.
#[must_use = "nothing is sent before `.await`"]
pub struct GetWithImageDetails<T = ReleaseWithImageDetails> {
    core: Arc<Core>,
    key: ReleaseKey,
    release: Result<Query>,
    image: Result<Query>,
    types: PhantomData<fn() -> T>,
}

impl GetWithImageDetails {
    pub(super) fn new(core: &Arc<Core>, key: ReleaseKey) -> Self {
        let (release, image) = (Ok(Query::new()), Ok(Query::new()));
        Self { core: core.clone(), key, release, image, types: PhantomData }
    }
}

impl<T> GetWithImageDetails<T> {
    /// Merges options for the release, in the SDKs' form.
    pub fn release_options(mut self, options: &Value) -> Self {
        self.release = self.release.and_then(|known| known.merge(Query::from_json(options)?));
        self
    }

    /// Merges options for its images, in the SDKs' form.
    pub fn image_options(mut self, options: &Value) -> Self {
        self.image = self.image.and_then(|known| known.merge(Query::from_json(options)?));
        self
    }

    /// Decodes into another type, from the release's columns, `images` and `user`.
    pub fn rows<U>(self) -> GetWithImageDetails<U> {
        let Self { core, key, release, image, .. } = self;
        GetWithImageDetails { core, key, release, image, types: PhantomData }
    }

    /// Reads the row in the form of the output. Not generic, so that it is compiled once.
    async fn row(self) -> Result<Value> {
        let options = self.release?;
        let image = Query::new()
            .select(["id"])
            .expand(Image::SERVICE.select([Service::SERVICE_NAME.name()]))
            .merge(self.image?)?;
        let defaults = Query::new()
            .expand(Release::RELEASE_IMAGE.expand(ReleaseImage::IMAGE.with(image)))
            .expand(Release::USER.select(["id", "username"]));
        let name = Image::SERVICE.select([Service::SERVICE_NAME.name()]);
        let named = Query::new().expand(Release::RELEASE_IMAGE.expand(ReleaseImage::IMAGE.expand(name)));
        let target = self.key.target(&self.core, defaults).await?.with_required_columns(named);
        let found = self.core.read_target(target, options).await?;
        Ok(Value::Object(with_images(found.one()?)))
    }
}

impl<T: DeserializeOwned + Send + 'static> IntoFuture for GetWithImageDetails<T> {
    type Output = Result<T>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            serde_json::from_value(self.row().await?).map_err(|cause| {
                Error::new(ErrorKind::Decode, format!("an answer that can't be read: {cause}"))
                    .with_sent(true)
            })
        })
    }
}

impl<T> fmt::Debug for GetWithImageDetails<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetWithImageDetails").field("release", &self.key).finish_non_exhaustive()
    }
}

/// Moves the images and the user from the expands to the top.
fn with_images(mut release: Map<String, Value>) -> Map<String, Value> {
    let expanded = |value: Option<Value>| match value {
        Some(Value::Array(rows)) => rows,
        _ => Vec::new(),
    };
    let mut images = Vec::new();
    for mut part in expanded(release.remove("release_image")) {
        let image = part.get_mut("image").map(Value::take);
        let Some(Value::Object(mut image)) = expanded(image).into_iter().next() else { continue };
        let service = image.get("is_a_build_of__service");
        let name = service.and_then(|rows| rows.pointer("/0/service_name")).cloned().unwrap_or_default();
        image.insert("service_name".to_owned(), name);
        images.push(image);
    }
    let name = |image: &Map<String, Value>| {
        image.get("service_name").and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    images.sort_by_cached_key(name);
    let user = release.get("is_created_by__user").and_then(|rows| rows.get(0)).cloned().unwrap_or_default();
    release.insert("user".to_owned(), user);
    release.insert("images".to_owned(), images.into_iter().map(Value::Object).collect());
    release
}
