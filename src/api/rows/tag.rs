//! Rows: tags of applications, devices, releases and organization memberships.

use jiff::Timestamp;

use crate::api::resource::resource;
use crate::ids::TagId;

use super::{Application, Device, OrganizationMembership, Release};

resource! {
    /// A tag of an application.
    ApplicationTag = "application_tag", "application tag" {
        /// Number that the cloud gave it.
        id / ID: TagId,
        /// When it was created. The published types do not list it.
        created_at / CREATED_AT: Timestamp,
        /// When it was set last. The published types do not list it.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name of the tag, unique among those of what is tagged.
        tag_key / TAG_KEY: String,
        /// Text of the tag; may be empty.
        value / VALUE: String,
    }
    navigation {
        /// The application that is tagged.
        application / APPLICATION = "application": Application,
    }
}

resource! {
    /// A tag of a device.
    DeviceTag = "device_tag", "device tag" {
        /// Number that the cloud gave it.
        id / ID: TagId,
        /// When it was created. The published types do not list it.
        created_at / CREATED_AT: Timestamp,
        /// When it was set last. The published types do not list it.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name of the tag, unique among those of what is tagged.
        tag_key / TAG_KEY: String,
        /// Text of the tag; may be empty.
        value / VALUE: String,
    }
    navigation {
        /// The device that is tagged.
        device / DEVICE = "device": Device,
    }
}

resource! {
    /// A tag of a release.
    ReleaseTag = "release_tag", "release tag" {
        /// Number that the cloud gave it.
        id / ID: TagId,
        /// When it was created. The published types do not list it.
        created_at / CREATED_AT: Timestamp,
        /// When it was set last. The published types do not list it.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name of the tag, unique among those of what is tagged.
        tag_key / TAG_KEY: String,
        /// Text of the tag; may be empty.
        value / VALUE: String,
    }
    navigation {
        /// The release that is tagged.
        release / RELEASE = "release": Release,
    }
}

resource! {
    /// A tag of an organization membership.
    OrganizationMembershipTag = "organization_membership_tag", "organization membership tag" {
        /// Number that the cloud gave it.
        id / ID: TagId,
        /// When it was created. The published types do not list it.
        created_at / CREATED_AT: Timestamp,
        /// When it was set last. The published types do not list it.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name of the tag, unique among those of what is tagged.
        tag_key / TAG_KEY: String,
        /// Text of the tag; may be empty.
        value / VALUE: String,
    }
    navigation {
        /// The membership that is tagged.
        organization_membership / ORGANIZATION_MEMBERSHIP = "organization_membership": OrganizationMembership,
    }
}
