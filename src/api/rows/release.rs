//! Rows: releases, release images, supervisor releases, images, image installs.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

use crate::api::resource::resource;
use crate::ids::{ImageId, ReleaseId, SupervisorReleaseId};

use super::{Application, Device, DeviceType, ReleaseTag, Service, User};

resource! {
    /// A release.
    Release = "release", "release" {
        /// Id.
        id / ID: ReleaseId,
        /// Created at.
        created_at / CREATED_AT: Timestamp,
        /// Commit.
        commit / COMMIT: String,
        /// Composition.
        composition / COMPOSITION: Value,
        /// Contract.
        contract / CONTRACT: Value,
        /// Status.
        status / STATUS: String,
        /// Source.
        source / SOURCE: String,
        /// Build log.
        build_log / BUILD_LOG: String,
        /// Whether its tests passed, or it has none.
        is_passing_tests / IS_PASSING_TESTS: bool,
        /// Is invalidated.
        is_invalidated / IS_INVALIDATED: bool,
        /// Start timestamp.
        start_timestamp / START_TIMESTAMP: Timestamp,
        /// Update timestamp.
        update_timestamp / UPDATE_TIMESTAMP: Timestamp,
        /// End timestamp.
        end_timestamp / END_TIMESTAMP: Timestamp,
        /// Phase.
        phase / PHASE: String,
        /// Semver.
        semver / SEMVER: String,
        /// Semver major.
        semver_major / SEMVER_MAJOR: i64,
        /// Semver minor.
        semver_minor / SEMVER_MINOR: i64,
        /// Semver patch.
        semver_patch / SEMVER_PATCH: i64,
        /// Semver prerelease.
        semver_prerelease / SEMVER_PRERELEASE: String,
        /// Semver build.
        semver_build / SEMVER_BUILD: String,
        /// Variant.
        variant / VARIANT: String,
        /// Revision.
        revision / REVISION: i64,
        /// Known issue list.
        known_issue_list / KNOWN_ISSUE_LIST: String,
        /// Raw version.
        raw_version / RAW_VERSION: String,
        /// Version.
        version / VERSION: Value,
        /// Is final.
        is_final / IS_FINAL: bool,
        /// Is finalized at date.
        is_finalized_at_date / IS_FINALIZED_AT_DATE = "is_finalized_at__date": Timestamp,
        /// Note.
        note / NOTE: String,
        /// Invalidation reason.
        invalidation_reason / INVALIDATION_REASON: String,
    }
    navigation {
        /// Is created by user.
        is_created_by_user / USER = "is_created_by__user": User,
        /// Belongs to application.
        belongs_to_application / BELONGS_TO_APPLICATION = "belongs_to__application": Application,
        /// Release image.
        release_image / RELEASE_IMAGE = "release_image": ReleaseImage,
        /// Should be running on application.
        should_be_running_on_application / SHOULD_BE_RUNNING_ON_APPLICATION = "should_be_running_on__application": Application,
        /// Is running on device.
        is_running_on_device / IS_RUNNING_ON_DEVICE = "is_running_on__device": Device,
        /// Should be running on device.
        should_be_running_on_device / SHOULD_BE_RUNNING_ON_DEVICE = "should_be_running_on__device": Device,
        /// Release tag.
        release_tag / RELEASE_TAG = "release_tag": ReleaseTag,
    }
}

resource! {
    /// A release image.
    ReleaseImage = "release_image", "release image" {
        /// Id.
        id / ID: i64,
        /// Created at.
        created_at / CREATED_AT: Timestamp,
    }
    navigation {
        /// Image.
        image / IMAGE = "image": Image,
        /// Is part of release.
        is_part_of_release / RELEASE = "is_part_of__release": Release,
    }
}

resource! {
    /// A supervisor release.
    SupervisorRelease = "supervisor_release", "supervisor release" {
        /// Created at.
        created_at / CREATED_AT: Timestamp,
        /// Id.
        id / ID: SupervisorReleaseId,
        /// Supervisor version.
        supervisor_version / SUPERVISOR_VERSION: String,
        /// Image name.
        image_name / IMAGE_NAME: String,
        /// Is public.
        is_public / IS_PUBLIC: bool,
        /// Note.
        note / NOTE: String,
    }
    navigation {
        /// Is for device type.
        is_for_device_type / DEVICE_TYPE = "is_for__device_type" as "dt": DeviceType,
    }
}

resource! {
    /// An image.
    Image = "image", "image" {
        /// Id.
        id / ID: ImageId,
        /// Created at.
        created_at / CREATED_AT: Timestamp,
        /// Build log.
        build_log / BUILD_LOG: String,
        /// Contract.
        contract / CONTRACT: Value,
        /// Content hash.
        content_hash / CONTENT_HASH: String,
        /// Project type.
        project_type / PROJECT_TYPE: String,
        /// Status.
        status / STATUS: String,
        /// Is stored at image location.
        is_stored_at_image_location / IS_STORED_AT_IMAGE_LOCATION = "is_stored_at__image_location": String,
        /// Start timestamp.
        start_timestamp / START_TIMESTAMP: Timestamp,
        /// End timestamp.
        end_timestamp / END_TIMESTAMP: Timestamp,
        /// Push timestamp.
        push_timestamp / PUSH_TIMESTAMP: Timestamp,
        /// Size in bytes.
        #[serde(deserialize_with = "number_or_text")]
        image_size / IMAGE_SIZE: i64,
        /// Dockerfile.
        dockerfile / DOCKERFILE: String,
        /// Error message.
        error_message / ERROR_MESSAGE: String,
    }
    navigation {
        /// Is a build of service.
        is_a_build_of_service / SERVICE = "is_a_build_of__service": Service,
        /// Release image.
        release_image / RELEASE_IMAGE = "release_image": ReleaseImage,
    }
}

resource! {
    /// An image install.
    ImageInstall = "image_install", "image install" {
        /// Id.
        id / ID: i64,
        /// Download progress.
        download_progress / DOWNLOAD_PROGRESS: f64,
        /// Status.
        status / STATUS: String,
        /// Install date.
        install_date / INSTALL_DATE: Timestamp,
    }
    navigation {
        /// The image that is installed, by the name that the SDKs ask for.
        image / IMAGE = "image": Image,
        /// Installs image.
        installs_image / INSTALLS_IMAGE = "installs__image": Image,
        /// Device.
        device / DEVICE = "device": Device,
        /// Is provided by release.
        is_provided_by_release / RELEASE = "is_provided_by__release": Release,
    }
}

/// A number that some versions of the API tell as a text.
fn number_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
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
