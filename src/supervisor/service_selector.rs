//! How a call names a service: by its name or by its image.

use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::ids::ImageId;

use super::service_names::check_service_name;

/// Selects a service.
///
/// In an application with a single service the supervisor acts on that service **whatever the selector is**.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceSelector {
    /// By the service's name in the compose file (supervisor ≥ 8.2.2).
    Name(String),
    /// By the id of the service's image in the running release.
    Image(ImageId),
}

impl ServiceSelector {
    /// Selects the service with this name in the compose file.
    pub fn name(name: impl Into<String>) -> Self {
        Self::Name(name.into())
    }

    /// Selects the service that runs this image.
    pub fn image(id: impl Into<ImageId>) -> Self {
        Self::Image(id.into())
    }

    /// Returns the fields of the body that name the service.
    pub(super) fn body(&self) -> Result<Value> {
        match self {
            Self::Name(name) => {
                check_service_name("service", name)?;
                Ok(json!({ "serviceName": name }))
            }
            Self::Image(id) if id.get() <= 0 => {
                Err(Error::argument("service", format_args!("{id} is not an image id")))
            }
            Self::Image(id) => Ok(json!({ "imageId": id })),
        }
    }
}

impl From<ImageId> for ServiceSelector {
    fn from(id: ImageId) -> Self {
        Self::Image(id)
    }
}

impl From<i64> for ServiceSelector {
    fn from(id: i64) -> Self {
        Self::Image(ImageId::new(id))
    }
}

impl From<i32> for ServiceSelector {
    fn from(id: i32) -> Self {
        Self::from(i64::from(id))
    }
}
