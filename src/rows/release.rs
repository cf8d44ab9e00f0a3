//! Rows of releases, release assets and supervisor releases.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::ids::{ReleaseAssetId, ReleaseId, SupervisorReleaseId};
use crate::resource::schema::resource;

use super::image::number_or_text;
use super::{
    Application, BuildStatus, Device, DeviceType, ImageInstall, ReleaseImage, ReleasePhase, ReleaseTag, User,
};

resource! {
    /// A release: one build of an application.
    Release = "release", "release" {
        /// Id, assigned by the API.
        id / ID: ReleaseId,
        /// Time of creation.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types.
        modified_at / MODIFIED_AT: Timestamp,
        /// Release hash, 32 or 40 hexadecimal digits; unique among the successful releases of the application.
        commit / COMMIT: String,
        /// Compose file of the build, as a JSON object.
        composition / COMPOSITION: Value,
        /// Contract as a JSON object: what the release requires and provides; `None` if there is none. Version 6 sends
        /// the object as JSON text; it is decoded to the object. Text that is not a JSON object stays text.
        #[serde(deserialize_with = "object_or_text")]
        contract / CONTRACT: Value,
        /// Status of the build.
        status / STATUS: BuildStatus,
        /// Place of the build: `cloud` or `local`.
        source / SOURCE: String,
        /// Output of the build; `None` before there is any.
        build_log / BUILD_LOG: String,
        /// Whether the tests of the release pass; `true` by default.
        is_passing_tests / IS_PASSING_TESTS: bool,
        /// Whether the release was withdrawn. Applications that track the latest release skip it.
        is_invalidated / IS_INVALIDATED: bool,
        /// Start of the build.
        start_timestamp / START_TIMESTAMP: Timestamp,
        /// Time of the last change to the release.
        update_timestamp / UPDATE_TIMESTAMP: Timestamp,
        /// End of the build; `None` while it runs.
        end_timestamp / END_TIMESTAMP: Timestamp,
        /// Support phase: `next`, `current`, `sunset` or `end-of-life`; `None` if unset.
        phase / PHASE: ReleasePhase,
        /// Version set by a user; deprecated in favour of `semver`, usually `None`.
        release_version / RELEASE_VERSION: String,
        /// `final` or `draft`; version 6 only. `is_final` holds the same in both versions.
        release_type / RELEASE_TYPE: String,
        /// Version without the revision: `major.minor.patch`, with `-prerelease` if there is one, e.g. `1.1.0-rc1`.
        semver / SEMVER: String,
        /// Major version.
        semver_major / SEMVER_MAJOR: i64,
        /// Minor version.
        semver_minor / SEMVER_MINOR: i64,
        /// Patch version.
        semver_patch / SEMVER_PATCH: i64,
        /// Pre-release part of the version, e.g. `rc1`; empty if there is none.
        semver_prerelease / SEMVER_PRERELEASE: String,
        /// Build part of the version, the text after `+`; empty if there is none.
        semver_build / SEMVER_BUILD: String,
        /// Variant of a host OS release: `dev` or `prod`; empty otherwise.
        variant / VARIANT: String,
        /// Number of the release among the final releases with the same version and variant, from 0; `None` for a
        /// draft.
        revision / REVISION: i64,
        /// Known issues, as text; `None` if there are none.
        known_issue_list / KNOWN_ISSUE_LIST: String,
        /// Full version, e.g. `1.2.3`, `1.2.3+rev1`. That of a draft ends in its creation time in milliseconds:
        /// `1.2.3-1700000000000`.
        raw_version / RAW_VERSION: String,
        /// Full version in parts: an object with `raw`, `major`, `minor`, `patch`, `version`, `build` (list) and
        /// `prerelease` (list).
        version / VERSION: Value,
        /// Whether the release is final: `false` for a draft.
        is_final / IS_FINAL: bool,
        /// Time at which the release became final; `None` for a draft.
        is_finalized_at_date / IS_FINALIZED_AT_DATE = "is_finalized_at__date": Timestamp,
        /// Free text of the users; `None` if there is none.
        note / NOTE: String,
        /// Reason of the withdrawal; `None` if the release is valid or no reason was given.
        invalidation_reason / INVALIDATION_REASON: String,
    }
    navigation {
        /// User who created the release; empty if unknown. Not on openBalena.
        is_created_by_user / USER = "is_created_by__user": User,
        /// Application that the release is a build of.
        belongs_to_application / BELONGS_TO_APPLICATION = "belongs_to__application": Application,
        /// Images of the release, one row each.
        release_image / RELEASE_IMAGE = "release_image": ReleaseImage,
        /// Applications with this target release.
        should_be_running_on_application / SHOULD_BE_RUNNING_ON_APPLICATION = "should_be_running_on__application": Application,
        /// Devices that last reported to run the release.
        is_running_on_device / IS_RUNNING_ON_DEVICE = "is_running_on__device": Device,
        /// Version 6: devices pinned to the release. Version 7: devices with this target release, pinned or not.
        should_be_running_on_device / SHOULD_BE_RUNNING_ON_DEVICE = "should_be_running_on__device": Device,
        /// Devices pinned to the release; version 7 only.
        is_pinned_to_device / IS_PINNED_TO_DEVICE = "is_pinned_to__device": Device,
        /// Devices whose target host OS is this release.
        should_operate_device / SHOULD_OPERATE_DEVICE = "should_operate__device": Device,
        /// Devices whose target supervisor is this release; version 7 only.
        should_manage_device / SHOULD_MANAGE_DEVICE = "should_manage__device": Device,
        /// Images on devices that were installed from the release.
        provides_image_install / PROVIDES_IMAGE_INSTALL = "provides__device__installs__image": ImageInstall,
        /// Tags of the release.
        release_tag / RELEASE_TAG = "release_tag": ReleaseTag,
        /// Files attached to the release; version 7 only.
        release_asset / RELEASE_ASSET = "release_asset": ReleaseAsset,
    }
}

resource! {
    /// A file attached to a release, e.g. a firmware image.
    ReleaseAsset = "release_asset", "release asset" {
        /// Id, assigned by the API.
        id / ID: ReleaseAssetId,
        /// Time of creation. Not in the published types.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name of the asset, not empty; unique within the release.
        asset_key / ASSET_KEY: String,
        /// File name, URL and size; `None` before the upload.
        asset / ASSET: WebResource,
    }
    navigation {
        /// Release that the file is attached to.
        release / RELEASE = "release": Release,
    }
}

/// A file in the API's storage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct WebResource {
    /// File name at the upload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
    /// URL of the content. It can be signed and expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub href: Option<String>,
    /// Media type, e.g. `text/plain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// `Content-Disposition` header of the download.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    /// Size in bytes.
    #[serde(deserialize_with = "number_or_text", skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
}

resource! {
    /// A release of the supervisor; version 6 only. Version 7 has releases of the supervisor's own applications
    /// instead. Not on openBalena.
    SupervisorRelease = "supervisor_release", "supervisor release" {
        /// Time of creation.
        created_at / CREATED_AT: Timestamp,
        /// Id, assigned by the API.
        id / ID: SupervisorReleaseId,
        /// Supervisor version with a leading `v`, e.g. `v13.0.0`.
        supervisor_version / SUPERVISOR_VERSION: String,
        /// Repository of the image, without a tag.
        image_name / IMAGE_NAME: String,
        /// Whether the release is available to all users.
        is_public / IS_PUBLIC: bool,
        /// Free text; `None` if there is none.
        note / NOTE: String,
    }
    navigation {
        /// Device type that the release is for.
        is_for_device_type / DEVICE_TYPE = "is_for__device_type" as "dt": DeviceType,
    }
}

/// Reads an object that version 6 of the API sends as JSON text and version 7 as an object.
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
    fn both_forms_of_a_contract_are_read() {
        let object = json!({ "type": "sw.application" });
        for contract in [object.clone(), json!(object.to_string())] {
            let release: Release = serde_json::from_value(json!({ "contract": contract })).unwrap();
            assert_eq!(release.contract.as_ref(), Some(&object));
        }
        for (other, read) in [(json!(null), None), (json!("no json"), Some(json!("no json")))] {
            let release: Release = serde_json::from_value(json!({ "contract": other })).unwrap();
            assert_eq!(release.contract, read);
        }
    }
}
