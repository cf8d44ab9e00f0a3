//! Rows of tags of applications, devices, releases and organization memberships.

use jiff::Timestamp;

use crate::ids::TagId;
use crate::resource::schema::resource;

use super::{Application, Device, OrganizationMembership, Release};

resource! {
    /// A tag of an application.
    ApplicationTag = "application_tag", "application tag" {
        /// Id, assigned by the API.
        id / ID: TagId,
        /// Time of creation. Not in the published types.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name, not empty; unique among the tags of the same row.
        tag_key / TAG_KEY: String,
        /// Value, at most 10,000 characters; can be empty.
        value / VALUE: String,
    }
    navigation {
        /// Application with the tag.
        application / APPLICATION = "application": Application,
    }
}

resource! {
    /// A tag of a device.
    DeviceTag = "device_tag", "device tag" {
        /// Id, assigned by the API.
        id / ID: TagId,
        /// Time of creation. Not in the published types.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name, not empty; unique among the tags of the same row.
        tag_key / TAG_KEY: String,
        /// Value, at most 10,000 characters; can be empty.
        value / VALUE: String,
    }
    navigation {
        /// Device with the tag.
        device / DEVICE = "device": Device,
    }
}

resource! {
    /// A tag of a release.
    ReleaseTag = "release_tag", "release tag" {
        /// Id, assigned by the API.
        id / ID: TagId,
        /// Time of creation. Not in the published types.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name, not empty; unique among the tags of the same row.
        tag_key / TAG_KEY: String,
        /// Value, at most 10,000 characters; can be empty.
        value / VALUE: String,
    }
    navigation {
        /// Release with the tag.
        release / RELEASE = "release": Release,
    }
}

resource! {
    /// A tag of an organization membership. Not on openBalena.
    OrganizationMembershipTag = "organization_membership_tag", "organization membership tag" {
        /// Id, assigned by the API.
        id / ID: TagId,
        /// Time of creation. Not in the published types.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name, not empty; unique among the tags of the same row.
        tag_key / TAG_KEY: String,
        /// Value, at most 10,000 characters; can be empty.
        value / VALUE: String,
    }
    navigation {
        /// Membership with the tag.
        organization_membership / ORGANIZATION_MEMBERSHIP = "organization_membership": OrganizationMembership,
    }
}
