//! Images: builds of one service in one release.

use std::sync::Arc;

use serde::Deserialize;

use crate::core::Core;
use crate::error::Result;
use crate::ids::ImageId;
use crate::odata::{Key, Query};

use crate::resource::keys::check_id;
use crate::resource::read::ReadTarget;
use crate::resource::read_request::Get;
use crate::resource::request::Request;
use crate::rows::Image;

/// All columns except the build log, which may be long.
const COLUMNS: [&str; 11] = [
    "id",
    "content_hash",
    "dockerfile",
    "project_type",
    "status",
    "error_message",
    "image_size",
    "created_at",
    "push_timestamp",
    "start_timestamp",
    "end_timestamp",
];

/// Images. From [`Balena::image`](crate::Balena::image).
#[derive(Debug, Clone)]
pub struct Images {
    core: Arc<Core>,
}

impl Images {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }

    /// Reads one image, without its build log (`GET /v6/image`).
    ///
    /// # Errors
    /// `is_not_found` if the image does not exist.
    pub fn get(&self, id: impl Into<ImageId>) -> Get<Image> {
        let id = id.into();
        Get::new(&self.core, async move { target(id, &COLUMNS) })
    }

    /// Reads the build log of an image, if it was kept (`GET /v6/image`).
    ///
    /// # Errors
    /// `is_not_found` if the image does not exist.
    #[doc(alias = "getLogs")]
    pub fn get_logs(&self, id: impl Into<ImageId>) -> Request<Option<String>> {
        #[derive(Deserialize)]
        struct Row {
            build_log: Option<String>,
        }
        let (core, id) = (self.core.clone(), id.into());
        Request::new(
            async move { Ok(core.whole_row(target(id, &["build_log"])?).await?.one::<Row>()?.build_log) },
        )
    }
}

fn target(id: ImageId, names: &[&str]) -> Result<ReadTarget> {
    let defaults = Query::new().select(names.iter().copied());
    Ok(ReadTarget::one::<Image>(Some(Key::id(check_id("id", id.get())?)), defaults, id))
}
