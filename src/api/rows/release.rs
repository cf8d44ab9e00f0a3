//! Rows: releases, the files beside them, supervisor releases.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::api::resource::resource;
use crate::ids::{ReleaseAssetId, ReleaseId, SupervisorReleaseId};

use super::image::number_or_text;
use super::{
    Application, BuildStatus, Device, DeviceType, ImageInstall, ReleaseImage, ReleasePhase, ReleaseTag, User,
};

resource! {
    /// A release: one build of an application.
    Release = "release", "release" {
        /// Number that the cloud gave it.
        id / ID: ReleaseId,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// When a column of the row changed last. The published types do not list it.
        modified_at / MODIFIED_AT: Timestamp,
        /// Its hash, 32 or 40 hexadecimal digits; unique within the application.
        commit / COMMIT: String,
        /// The compose file that it was built from, as an object.
        composition / COMPOSITION: Value,
        /// What it needs and provides; none when nobody wrote a contract. Version 6 may tell it as text; here it is
        /// the object either way.
        #[serde(deserialize_with = "object_or_text")]
        contract / CONTRACT: Value,
        /// State of the build.
        status / STATUS: BuildStatus,
        /// Where it was built: `cloud` or `local`.
        source / SOURCE: String,
        /// What the build said; none before the build said anything.
        build_log / BUILD_LOG: String,
        /// Whether its tests passed, or it has none.
        is_passing_tests / IS_PASSING_TESTS: bool,
        /// Whether it was withdrawn: no device starts to run it.
        is_invalidated / IS_INVALIDATED: bool,
        /// When the build began.
        start_timestamp / START_TIMESTAMP: Timestamp,
        /// When the build was last heard of.
        update_timestamp / UPDATE_TIMESTAMP: Timestamp,
        /// When the build ended; none while it runs.
        end_timestamp / END_TIMESTAMP: Timestamp,
        /// Where it is in its life: `next`, `current`, `sunset` or `end-of-life`; none when nobody says.
        phase / PHASE: ReleasePhase,
        /// Version that its maker gave it before there was `semver`; mostly none.
        release_version / RELEASE_VERSION: String,
        /// `final` or `draft`; version 6 only.
        release_type / RELEASE_TYPE: String,
        /// Version: `major.minor.patch`.
        semver / SEMVER: String,
        /// First number of the version.
        semver_major / SEMVER_MAJOR: i64,
        /// Second number of the version.
        semver_minor / SEMVER_MINOR: i64,
        /// Third number of the version.
        semver_patch / SEMVER_PATCH: i64,
        /// What stands behind the `-` of the version; empty for none.
        semver_prerelease / SEMVER_PRERELEASE: String,
        /// What stands behind the `+` of the version; empty for none.
        semver_build / SEMVER_BUILD: String,
        /// `dev` or `prod`, of a host OS; empty for others.
        variant / VARIANT: String,
        /// Which final release of this version, from 0; none for a draft.
        revision / REVISION: i64,
        /// What is known to be wrong with it, as text; none when nothing is.
        known_issue_list / KNOWN_ISSUE_LIST: String,
        /// The whole version as text, e.g. `1.2.3+rev1` or `1.2.3-1700000000000`.
        raw_version / RAW_VERSION: String,
        /// The whole version in parts: an object of `raw`, `major`, `minor`, `patch`, `version`, `build` and
        /// `prerelease`.
        version / VERSION: Value,
        /// Whether it is no draft any more.
        is_final / IS_FINAL: bool,
        /// When it became final; none for a draft.
        is_finalized_at_date / IS_FINALIZED_AT_DATE = "is_finalized_at__date": Timestamp,
        /// Free text of its users; none when there is none.
        note / NOTE: String,
        /// Why it was withdrawn; none when it was not, or nobody says.
        invalidation_reason / INVALIDATION_REASON: String,
    }
    navigation {
        /// Who made it; nothing when the user is gone.
        is_created_by_user / USER = "is_created_by__user": User,
        /// The application that it is a build of.
        belongs_to_application / BELONGS_TO_APPLICATION = "belongs_to__application": Application,
        /// Its images, each through a row of its own.
        release_image / RELEASE_IMAGE = "release_image": ReleaseImage,
        /// Applications whose devices are to run it.
        should_be_running_on_application / SHOULD_BE_RUNNING_ON_APPLICATION = "should_be_running_on__application": Application,
        /// Devices that run it.
        is_running_on_device / IS_RUNNING_ON_DEVICE = "is_running_on__device": Device,
        /// In version 6 devices that are pinned to it. In version 7 all devices that should run it in the end.
        should_be_running_on_device / SHOULD_BE_RUNNING_ON_DEVICE = "should_be_running_on__device": Device,
        /// Devices that are pinned to it; version 7 only.
        is_pinned_to_device / IS_PINNED_TO_DEVICE = "is_pinned_to__device": Device,
        /// Devices whose host OS should be it.
        should_operate_device / SHOULD_OPERATE_DEVICE = "should_operate__device": Device,
        /// Devices whose supervisor should be it; version 7 only.
        should_manage_device / SHOULD_MANAGE_DEVICE = "should_manage__device": Device,
        /// Images on devices that came with it.
        provides_image_install / PROVIDES_IMAGE_INSTALL = "provides__device__installs__image": ImageInstall,
        /// Tags of its own.
        release_tag / RELEASE_TAG = "release_tag": ReleaseTag,
        /// Files that lie beside it; version 7 only.
        release_asset / RELEASE_ASSET = "release_asset": ReleaseAsset,
    }
}

resource! {
    /// A file that lies beside a release: its notes, a firmware.
    ReleaseAsset = "release_asset", "release asset" {
        /// Number that the cloud gave it.
        id / ID: ReleaseAssetId,
        /// When it was created. The published types do not list it.
        created_at / CREATED_AT: Timestamp,
        /// When a column of the row changed last. The published types do not list it.
        modified_at / MODIFIED_AT: Timestamp,
        /// Its name, unique within the release.
        asset_key / ASSET_KEY: String,
        /// Where the file is; none before it was uploaded.
        asset / ASSET: WebResource,
    }
    navigation {
        /// The release that it lies beside.
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
    /// A released supervisor; version 6 only.
    SupervisorRelease = "supervisor_release", "supervisor release" {
        /// When it was released.
        created_at / CREATED_AT: Timestamp,
        /// Number that the cloud gave it.
        id / ID: SupervisorReleaseId,
        /// Version with a `v`, e.g. `v13.0.0`.
        supervisor_version / SUPERVISOR_VERSION: String,
        /// Repository of its image, without a tag.
        image_name / IMAGE_NAME: String,
        /// Whether everybody may use it.
        is_public / IS_PUBLIC: bool,
        /// Free text of who released it; none when there is none.
        note / NOTE: String,
    }
    navigation {
        /// The device type that it is for.
        is_for_device_type / DEVICE_TYPE = "is_for__device_type" as "dt": DeviceType,
    }
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
