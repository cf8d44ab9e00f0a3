//! Rows: releases, their images, supervisor releases, image installs.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;

use crate::api::resource::resource;
use crate::ids::{ImageId, ReleaseAssetId, ReleaseId, SupervisorReleaseId};

use super::{Application, BuildStatus, Device, DeviceType, ReleasePhase, ReleaseTag, Service, User};

resource! {
    /// A release.
    Release = "release", "release" {
        /// Id.
        id / ID: ReleaseId,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// Its hash, unique within the application.
        commit / COMMIT: String,
        /// The compose file that it was built from.
        composition / COMPOSITION: Value,
        /// What it needs and provides. Version 6 may tell it as text; here it is the object either way.
        #[serde(deserialize_with = "object_or_text")]
        contract / CONTRACT: Value,
        /// State of the build.
        status / STATUS: BuildStatus,
        /// Where it was built: `cloud` or `local`.
        source / SOURCE: String,
        /// What the build said.
        build_log / BUILD_LOG: String,
        /// Whether its tests passed, or it has none.
        is_passing_tests / IS_PASSING_TESTS: bool,
        /// Whether it was withdrawn.
        is_invalidated / IS_INVALIDATED: bool,
        /// When the build began.
        start_timestamp / START_TIMESTAMP: Timestamp,
        /// When the build was last heard of.
        update_timestamp / UPDATE_TIMESTAMP: Timestamp,
        /// When the build ended.
        end_timestamp / END_TIMESTAMP: Timestamp,
        /// Where it is in its life: `next`, `current`, `sunset` or `end-of-life`.
        phase / PHASE: ReleasePhase,
        /// Version: `major.minor.patch`.
        semver / SEMVER: String,
        /// First number of the version.
        semver_major / SEMVER_MAJOR: i64,
        /// Second number of the version.
        semver_minor / SEMVER_MINOR: i64,
        /// Third number of the version.
        semver_patch / SEMVER_PATCH: i64,
        /// What stands behind the `-` of the version.
        semver_prerelease / SEMVER_PRERELEASE: String,
        /// What stands behind the `+` of the version.
        semver_build / SEMVER_BUILD: String,
        /// Variant, of a host OS.
        variant / VARIANT: String,
        /// Which final release of this version, from 0; none for a draft.
        revision / REVISION: i64,
        /// What is known to be wrong with it.
        known_issue_list / KNOWN_ISSUE_LIST: String,
        /// The whole version as text.
        raw_version / RAW_VERSION: String,
        /// The whole version in parts.
        version / VERSION: Value,
        /// Whether it is no draft any more.
        is_final / IS_FINAL: bool,
        /// When it became final.
        is_finalized_at_date / IS_FINALIZED_AT_DATE = "is_finalized_at__date": Timestamp,
        /// A note.
        note / NOTE: String,
        /// Why it was withdrawn.
        invalidation_reason / INVALIDATION_REASON: String,
    }
    navigation {
        /// Who made it.
        is_created_by_user / USER = "is_created_by__user": User,
        /// Its application.
        belongs_to_application / BELONGS_TO_APPLICATION = "belongs_to__application": Application,
        /// Its images, each through a row of its own.
        release_image / RELEASE_IMAGE = "release_image": ReleaseImage,
        /// Applications that are to run it.
        should_be_running_on_application / SHOULD_BE_RUNNING_ON_APPLICATION = "should_be_running_on__application": Application,
        /// Devices that run it.
        is_running_on_device / IS_RUNNING_ON_DEVICE = "is_running_on__device": Device,
        /// Devices that are pinned to it.
        should_be_running_on_device / SHOULD_BE_RUNNING_ON_DEVICE = "should_be_running_on__device": Device,
        /// Tags.
        release_tag / RELEASE_TAG = "release_tag": ReleaseTag,
        /// Files that lie beside it; version 7 only.
        release_asset / RELEASE_ASSET = "release_asset": ReleaseAsset,
    }
}

resource! {
    /// A file that lies beside a release: its notes, a firmware.
    ReleaseAsset = "release_asset", "release asset" {
        /// Id.
        id / ID: ReleaseAssetId,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// When it was changed.
        modified_at / MODIFIED_AT: Timestamp,
        /// Its name, unique within the release.
        asset_key / ASSET_KEY: String,
        /// Where the file is; none before it was uploaded.
        asset / ASSET: WebResource,
    }
    navigation {
        /// The release.
        release / RELEASE = "release": Release,
    }
}

/// A file in the cloud's storage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct WebResource {
    /// What it was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
    /// Where it is, for as long as this address is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub href: Option<String>,
    /// What it is, e.g. `text/plain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// How it is shown, as in the header of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    /// Its size in bytes.
    #[serde(deserialize_with = "number_or_text", skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
}

resource! {
    /// That an image is part of a release.
    ReleaseImage = "release_image", "release image" {
        /// Id.
        id / ID: i64,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
    }
    navigation {
        /// The image.
        image / IMAGE = "image": Image,
        /// The release.
        is_part_of_release / RELEASE = "is_part_of__release": Release,
    }
}

resource! {
    /// A released supervisor; version 6 only.
    SupervisorRelease = "supervisor_release", "supervisor release" {
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// Id.
        id / ID: SupervisorReleaseId,
        /// Version, e.g. `v13.0.0`.
        supervisor_version / SUPERVISOR_VERSION: String,
        /// Where its image is.
        image_name / IMAGE_NAME: String,
        /// Whether everybody may use it.
        is_public / IS_PUBLIC: bool,
        /// A note.
        note / NOTE: String,
    }
    navigation {
        /// The device type that it is for.
        is_for_device_type / DEVICE_TYPE = "is_for__device_type" as "dt": DeviceType,
    }
}

resource! {
    /// An image: one service's build in one release.
    Image = "image", "image" {
        /// Id.
        id / ID: ImageId,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// What the build said.
        build_log / BUILD_LOG: String,
        /// What it needs and provides.
        contract / CONTRACT: Value,
        /// Digest of its content, `sha256:…`.
        content_hash / CONTENT_HASH: String,
        /// How it was built, e.g. `Standard Dockerfile`.
        project_type / PROJECT_TYPE: String,
        /// State of the build.
        status / STATUS: BuildStatus,
        /// Where it is in the registry.
        is_stored_at_image_location / IS_STORED_AT_IMAGE_LOCATION = "is_stored_at__image_location": String,
        /// When the build began.
        start_timestamp / START_TIMESTAMP: Timestamp,
        /// When the build ended.
        end_timestamp / END_TIMESTAMP: Timestamp,
        /// When it was in the registry.
        push_timestamp / PUSH_TIMESTAMP: Timestamp,
        /// Size in bytes.
        #[serde(deserialize_with = "number_or_text")]
        image_size / IMAGE_SIZE: i64,
        /// The Dockerfile that it was built from.
        dockerfile / DOCKERFILE: String,
        /// Why its build failed.
        error_message / ERROR_MESSAGE: String,
    }
    navigation {
        /// The service that it is a build of.
        is_a_build_of_service / SERVICE = "is_a_build_of__service": Service,
        /// Releases that have it, each through a row of its own.
        release_image / RELEASE_IMAGE = "release_image": ReleaseImage,
    }
}

resource! {
    /// An image on a device.
    ImageInstall = "image_install", "image install" {
        /// Id.
        id / ID: i64,
        /// Percent, while it is downloaded.
        download_progress / DOWNLOAD_PROGRESS: f64,
        /// As the supervisor reports it: `Running`, `Downloading`, `exited` …
        status / STATUS: String,
        /// Since when it is there.
        install_date / INSTALL_DATE: Timestamp,
    }
    navigation {
        /// The image that is installed, by the name that the SDKs ask for.
        image / IMAGE = "image": Image,
        /// The image that is installed.
        installs_image / INSTALLS_IMAGE = "installs__image": Image,
        /// The device.
        device / DEVICE = "device": Device,
        /// The release that brought it.
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

/// An object that some versions of the API tell as the text of its JSON.
fn object_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    let value = Option::<Value>::deserialize(deserializer)?;
    let object = value.as_ref().and_then(Value::as_str).and_then(|text| serde_json::from_str(text).ok());
    Ok(object.filter(Value::is_object).or(value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_forms_of_a_contract_and_of_a_size_are_read() {
        let object = json!({ "type": "sw.application" });
        for contract in [object.clone(), json!(object.to_string())] {
            let release: Release = serde_json::from_value(json!({ "contract": contract })).unwrap();
            assert_eq!(release.contract.as_ref(), Some(&object));
        }
        for (other, read) in [(json!(null), None), (json!("no json"), Some(json!("no json")))] {
            let release: Release = serde_json::from_value(json!({ "contract": other })).unwrap();
            assert_eq!(release.contract, read);
        }
        for size in [json!(134_217_728), json!("134217728")] {
            let image: Image = serde_json::from_value(json!({ "image_size": size })).unwrap();
            assert_eq!(image.image_size, Some(134_217_728));
        }
        assert_eq!(serde_json::from_value::<Image>(json!({})).unwrap().image_size, None);
    }
}
