//! Rows: images, images in releases, images on devices, differences between images.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

use crate::api::resource::resource;
use crate::ids::ImageId;

use super::{BuildStatus, Device, ImageEnvironmentVariable, ImageLabel, Release, Service};

resource! {
    /// An image: one service's build in one release.
    Image = "image", "image" {
        /// Number that the cloud gave it.
        id / ID: ImageId,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// When a column of the row changed last. The published types do not list it.
        modified_at / MODIFIED_AT: Timestamp,
        /// What the build said; none before the build said anything.
        build_log / BUILD_LOG: String,
        /// What it needs and provides; none when nobody wrote a contract.
        contract / CONTRACT: Value,
        /// Digest of its content, `sha256:…`; none before it is in the registry.
        content_hash / CONTENT_HASH: String,
        /// How it was built, e.g. `Standard Dockerfile`; none before the build.
        project_type / PROJECT_TYPE: String,
        /// State of the build.
        status / STATUS: BuildStatus,
        /// Repository in the registry, without a tag.
        is_stored_at_image_location / IS_STORED_AT_IMAGE_LOCATION = "is_stored_at__image_location": String,
        /// When the build began.
        start_timestamp / START_TIMESTAMP: Timestamp,
        /// When the build ended; none while it runs.
        end_timestamp / END_TIMESTAMP: Timestamp,
        /// When it was in the registry; none before that.
        push_timestamp / PUSH_TIMESTAMP: Timestamp,
        /// Size in bytes; none before the build ended.
        #[serde(deserialize_with = "number_or_text")]
        image_size / IMAGE_SIZE: i64,
        /// The Dockerfile that it was built from; none where there was none.
        dockerfile / DOCKERFILE: String,
        /// Why its build failed; none when it did not.
        error_message / ERROR_MESSAGE: String,
    }
    navigation {
        /// The service that it is a build of.
        is_a_build_of_service / SERVICE = "is_a_build_of__service": Service,
        /// Releases that have it, each through a row of its own.
        release_image / RELEASE_IMAGE = "release_image": ReleaseImage,
        /// Devices that have or had it, a row each.
        image_install / IMAGE_INSTALL = "image_install": ImageInstall,
        /// Differences that lead from it to other images.
        is_origin_of_delta / IS_ORIGIN_OF_DELTA = "is__origin__of__delta": Delta,
        /// Differences that lead from other images to it.
        is_produced_by_delta / IS_PRODUCED_BY_DELTA = "is_produced_by__delta": Delta,
    }
}

resource! {
    /// That an image is part of a release.
    ReleaseImage = "release_image", "release image" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// When a column of the row changed last. The published types do not list it.
        modified_at / MODIFIED_AT: Timestamp,
    }
    navigation {
        /// The image that is part.
        image / IMAGE = "image": Image,
        /// Of which release.
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
        /// Number that the cloud gave it.
        id / ID: i64,
        /// When the device told of it first. The published types do not list it.
        created_at / CREATED_AT: Timestamp,
        /// When a column of the row changed last. The published types do not list it.
        modified_at / MODIFIED_AT: Timestamp,
        /// Percent of it that is downloaded; none while it is not downloaded.
        download_progress / DOWNLOAD_PROGRESS: f64,
        /// As the supervisor reports it: `Running`, `Downloading`, `exited`, `deleted` …
        status / STATUS: String,
        /// Since when it is there.
        install_date / INSTALL_DATE: Timestamp,
    }
    navigation {
        /// The image that is installed, by the name that the SDK for Python asks for.
        image / IMAGE = "image": Image,
        /// The image that is installed.
        installs_image / INSTALLS_IMAGE = "installs__image": Image,
        /// The device that has it.
        device / DEVICE = "device": Device,
        /// The release that brought it.
        is_provided_by_release / RELEASE = "is_provided_by__release": Release,
    }
}

resource! {
    /// A difference between two images: a device that has the one downloads it instead of the other.
    Delta = "delta", "delta" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// When it was asked for.
        created_at / CREATED_AT: Timestamp,
        /// Version of its format, e.g. 2 or 3.
        version / VERSION: i64,
        /// How far it is: `running`, `success`, `error` …
        status / STATUS: String,
        /// Why it could not be made; none when nothing went wrong.
        error_message / ERROR_MESSAGE: String,
        /// Where it is stored; none before it is made.
        is_stored_at_location / IS_STORED_AT_LOCATION = "is_stored_at__location": String,
        /// Size in bytes; none before it is made.
        #[serde(deserialize_with = "number_or_text")]
        size / SIZE: i64,
        /// When it was last heard of while it was made.
        update_timestamp / UPDATE_TIMESTAMP: Timestamp,
        /// When it was made; none before that.
        end_timestamp / END_TIMESTAMP: Timestamp,
    }
    navigation {
        /// The image that a device has; nothing when it is gone.
        originates_from_image / ORIGINATES_FROM_IMAGE = "originates_from__image": Image,
        /// The image that a device gets.
        produces_image / PRODUCES_IMAGE = "produces__image": Image,
    }
}

/// A number that some versions of the API tell as a text.
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
