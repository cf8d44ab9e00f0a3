//! Rows: applications, application types, hosting applications.

use jiff::Timestamp;

use crate::api::resource::resource;
use crate::ids::ApplicationId;

use super::{
    Actor, ApplicationConfigVariable, ApplicationMembership, ApplicationTag, ApplicationVariable,
    BuildVariable, Device, DeviceType, Organization, PublicDevice, PublicOrganization, Release, Service,
    TeamApplicationAccess, User,
};

resource! {
    /// An application.
    Application = "application", "application" {
        /// Id.
        id / ID: ApplicationId,
        /// Created at.
        created_at / CREATED_AT: Timestamp,
        /// App name.
        app_name / APP_NAME: String,
        /// Slug.
        slug / SLUG: String,
        /// Uuid.
        uuid / UUID: String,
        /// Is accessible by support until date.
        is_accessible_by_support_until_date / IS_ACCESSIBLE_BY_SUPPORT_UNTIL_DATE = "is_accessible_by_support_until__date": Timestamp,
        /// Is host.
        is_host / IS_HOST: bool,
        /// Should track latest release.
        should_track_latest_release / SHOULD_TRACK_LATEST_RELEASE: bool,
        /// Is public.
        is_public / IS_PUBLIC: bool,
        /// Is of class.
        is_of_class / IS_OF_CLASS = "is_of__class": String,
        /// Is archived.
        is_archived / IS_ARCHIVED: bool,
        /// Is discoverable.
        is_discoverable / IS_DISCOVERABLE: bool,
        /// Is stored at repository url.
        is_stored_at_repository_url / IS_STORED_AT_REPOSITORY_URL = "is_stored_at__repository_url": String,
    }
    navigation {
        /// Actor.
        actor / ACTOR = "actor": Actor,
        /// Public organization.
        public_organization / PUBLIC_ORGANIZATION = "public_organization": PublicOrganization,
        /// Application type.
        application_type / APPLICATION_TYPE = "application_type": ApplicationType,
        /// Is for device type.
        is_for_device_type / DEVICE_TYPE = "is_for__device_type": DeviceType,
        /// Depends on application.
        depends_on_application / DEPENDS_ON_APPLICATION = "depends_on__application": ApplicationType,
        /// Organization.
        organization / ORGANIZATION = "organization": Organization,
        /// Should be running release.
        should_be_running_release / SHOULD_BE_RUNNING_RELEASE = "should_be_running__release": Release,
        /// Application config variable.
        application_config_variable / APPLICATION_CONFIG_VARIABLE = "application_config_variable": ApplicationConfigVariable,
        /// Application environment variable.
        application_environment_variable / APPLICATION_ENVIRONMENT_VARIABLE = "application_environment_variable": ApplicationVariable,
        /// Build environment variable.
        build_environment_variable / BUILD_ENVIRONMENT_VARIABLE = "build_environment_variable": BuildVariable,
        /// Application tag.
        application_tag / APPLICATION_TAG = "application_tag": ApplicationTag,
        /// Owns device.
        owns_device / DEVICE = "owns__device": Device,
        /// Owns public device.
        owns_public_device / PUBLIC_DEVICE = "owns__public_device": PublicDevice,
        /// Owns release.
        owns_release / OWNS_RELEASE = "owns__release" as "r": Release,
        /// Service.
        service / SERVICE = "service": Service,
        /// Is depended on by application.
        is_depended_on_by_application / IS_DEPENDED_ON_BY_APPLICATION = "is_depended_on_by__application": ApplicationType,
        /// Is directly accessible by user.
        is_directly_accessible_by_user / DIRECTLY_ACCESSIBLE_BY = "is_directly_accessible_by__user" as "dau": User,
        /// User application membership.
        user_application_membership / USER_APPLICATION_MEMBERSHIP = "user_application_membership": ApplicationMembership,
        /// Team application access.
        team_application_access / TEAM_APPLICATION_ACCESS = "team_application_access": TeamApplicationAccess,
        /// Can use application as host.
        can_use_application_as_host / APPLICATION_AS_HOST = "can_use__application_as_host": ApplicationHostedOnApplication,
    }
}

resource! {
    /// An application type.
    ApplicationType = "application_type", "application type" {
        /// Id.
        id / ID: i64,
        /// Name.
        name / NAME: String,
        /// Slug.
        slug / SLUG: String,
        /// Description.
        description / DESCRIPTION: String,
        /// Supports multicontainer.
        supports_multicontainer / SUPPORTS_MULTICONTAINER: bool,
        /// Supports web url.
        supports_web_url / SUPPORTS_WEB_URL: bool,
        /// Is legacy.
        is_legacy / IS_LEGACY: bool,
        /// Requires payment.
        requires_payment / REQUIRES_PAYMENT: bool,
        /// Needs os version range.
        needs_os_version_range / NEEDS_OS_VERSION_RANGE = "needs__os_version_range": String,
        /// Maximum device count.
        maximum_device_count / MAXIMUM_DEVICE_COUNT: i64,
    }
}

resource! {
    /// A hosting application.
    ApplicationHostedOnApplication = "application__can_use__application_as_host", "hosting application" {
    }
    navigation {
        /// Application.
        application / APPLICATION = "application": Application,
        /// Can use application as host.
        can_use_application_as_host / APPLICATION_AS_HOST = "can_use__application_as_host": Application,
    }
}
