//! Rows: application tags, device tags, release tags, organization membership tags.

use crate::api::resource::resource;
use crate::ids::TagId;

use super::{Application, Device, OrganizationMembership, Release};

resource! {
    /// An application tag.
    ApplicationTag = "application_tag", "application tag" {
        /// Id.
        id / ID: TagId,
        /// Tag key.
        tag_key / TAG_KEY: String,
        /// Value.
        value / VALUE: String,
    }
    navigation {
        /// Application.
        application / APPLICATION = "application": Application,
    }
}

resource! {
    /// A device tag.
    DeviceTag = "device_tag", "device tag" {
        /// Id.
        id / ID: TagId,
        /// Tag key.
        tag_key / TAG_KEY: String,
        /// Value.
        value / VALUE: String,
    }
    navigation {
        /// Device.
        device / DEVICE = "device": Device,
    }
}

resource! {
    /// A release tag.
    ReleaseTag = "release_tag", "release tag" {
        /// Id.
        id / ID: TagId,
        /// Tag key.
        tag_key / TAG_KEY: String,
        /// Value.
        value / VALUE: String,
    }
    navigation {
        /// Release.
        release / RELEASE = "release": Release,
    }
}

resource! {
    /// An organization membership tag.
    OrganizationMembershipTag = "organization_membership_tag", "organization membership tag" {
        /// Id.
        id / ID: TagId,
        /// Tag key.
        tag_key / TAG_KEY: String,
        /// Value.
        value / VALUE: String,
    }
    navigation {
        /// Organization membership.
        organization_membership / ORGANIZATION_MEMBERSHIP = "organization_membership": OrganizationMembership,
    }
}
