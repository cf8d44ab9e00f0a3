//! Rows of images, images in releases, images on devices, and deltas between images.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

use crate::ids::ImageId;
use crate::resource::schema::resource;

use super::{BuildStatus, Device, ImageEnvironmentVariable, ImageLabel, Release, Service};

resource! {
    /// An image: the build of one service in one release.
    Image = "image", "image" {
        /// Id, assigned by the API.
        id / ID: ImageId,
        /// Time of creation.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types.
        modified_at / MODIFIED_AT: Timestamp,
        /// Output of the build; `None` before there is any.
        build_log / BUILD_LOG: String,
        /// Contract as a JSON object: what the service requires and provides; `None` if there is none.
        contract / CONTRACT: Value,
        /// Digest of the content, `sha256:` and 64 hexadecimal digits; `None` before the image is in the registry.
        content_hash / CONTENT_HASH: String,
        /// Project type that the builder detected, e.g. `Standard Dockerfile`; `None` before the build.
        project_type / PROJECT_TYPE: String,
        /// Status of the build.
        status / STATUS: BuildStatus,
        /// Unique repository in the registry, without a tag, e.g. `registry2.balena-cloud.com/v2/<32 hexadecimal
        /// digits>`.
        is_stored_at_image_location / IS_STORED_AT_IMAGE_LOCATION = "is_stored_at__image_location": String,
        /// Start of the build.
        start_timestamp / START_TIMESTAMP: Timestamp,
        /// End of the build; `None` while it runs.
        end_timestamp / END_TIMESTAMP: Timestamp,
        /// Time of the push to the registry; `None` before it. A successful image always has it.
        push_timestamp / PUSH_TIMESTAMP: Timestamp,
        /// Size in bytes; `None` before the build ends. Version 6 sends a number, version 7 text.
        #[serde(deserialize_with = "number_or_text")]
        image_size / IMAGE_SIZE: i64,
        /// Dockerfile of the build; `None` if there is none.
        dockerfile / DOCKERFILE: String,
        /// Reason of a failed build; `None` otherwise.
        error_message / ERROR_MESSAGE: String,
    }
    navigation {
        /// Service that the image is a build of.
        is_a_build_of_service / SERVICE = "is_a_build_of__service": Service,
        /// Releases that contain the image, one row each.
        release_image / RELEASE_IMAGE = "release_image": ReleaseImage,
        /// Devices that have or had the image, one row each.
        image_install / IMAGE_INSTALL = "image_install": ImageInstall,
        /// Deltas from this image to other images.
        is_origin_of_delta / IS_ORIGIN_OF_DELTA = "is__origin__of__delta": Delta,
        /// Deltas from other images to this image.
        is_produced_by_delta / IS_PRODUCED_BY_DELTA = "is_produced_by__delta": Delta,
    }
}

resource! {
    /// Membership of an image in a release.
    ReleaseImage = "release_image", "release image" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Time of creation.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types.
        modified_at / MODIFIED_AT: Timestamp,
    }
    navigation {
        /// The image.
        image / IMAGE = "image": Image,
        /// Release that contains the image.
        is_part_of_release / RELEASE = "is_part_of__release": Release,
        /// Labels of the image in this release.
        image_label / IMAGE_LABEL = "image_label": ImageLabel,
        /// Environment variables of the image in this release.
        image_environment_variable / IMAGE_ENVIRONMENT_VARIABLE = "image_environment_variable": ImageEnvironmentVariable,
    }
}

resource! {
    /// An image on a device.
    ImageInstall = "image_install", "image install" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Time of the device's first report of the image. Not in the published types.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types.
        modified_at / MODIFIED_AT: Timestamp,
        /// Download progress in percent (0–100); `None` when the image is not being downloaded.
        download_progress / DOWNLOAD_PROGRESS: f64,
        /// Status as the supervisor reports it, e.g. `Running`, `Downloading`, `exited`; `deleted` after the device
        /// removed the image.
        status / STATUS: String,
        /// Time of the installation, set by the API.
        install_date / INSTALL_DATE: Timestamp,
    }
    navigation {
        /// Installed image, under the name that the SDK for Python uses; works in both versions.
        image / IMAGE = "image": Image,
        /// Installed image.
        installs_image / INSTALLS_IMAGE = "installs__image": Image,
        /// Device that has the image.
        device / DEVICE = "device": Device,
        /// Release that the image was installed from.
        is_provided_by_release / RELEASE = "is_provided_by__release": Release,
    }
}

resource! {
    /// A delta between two images. A device with the first image downloads the delta instead of the second image.
    Delta = "delta", "delta" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Time of the request for the delta.
        created_at / CREATED_AT: Timestamp,
        /// Version of the delta format, e.g. 2 or 3.
        version / VERSION: i64,
        /// Status, e.g. `running`, `success`, `error`.
        status / STATUS: String,
        /// Reason of a failure; `None` otherwise.
        error_message / ERROR_MESSAGE: String,
        /// Storage location; `None` before the delta is ready.
        is_stored_at_location / IS_STORED_AT_LOCATION = "is_stored_at__location": String,
        /// Size in bytes; `None` before the delta is ready.
        #[serde(deserialize_with = "number_or_text")]
        size / SIZE: i64,
        /// Time of the last progress report.
        update_timestamp / UPDATE_TIMESTAMP: Timestamp,
        /// Time of completion; `None` before it.
        end_timestamp / END_TIMESTAMP: Timestamp,
    }
    navigation {
        /// Image that the device already has; empty if there is none.
        originates_from_image / ORIGINATES_FROM_IMAGE = "originates_from__image": Image,
        /// Image that the delta produces.
        produces_image / PRODUCES_IMAGE = "produces__image": Image,
    }
}

/// Reads a number that version 6 of the API sends as a number and version 7 as text.
pub(super) fn number_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Number(i64),
        Text(String),
    }
    Ok(match Option::deserialize(deserializer)? {
        None => None,
        Some(Form::Number(number)) => Some(number),
        Some(Form::Text(text)) => Some(text.parse().map_err(D::Error::custom)?),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_forms_of_a_size_are_read() {
        for size in [json!(134_217_728), json!("134217728")] {
            let image: Image = serde_json::from_value(json!({ "image_size": size })).unwrap();
            assert_eq!(image.image_size, Some(134_217_728));
        }
        assert_eq!(serde_json::from_value::<Image>(json!({})).unwrap().image_size, None);
    }
}
