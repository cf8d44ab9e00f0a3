//! Rows: applications, application types, hosting applications.

use jiff::Timestamp;

use crate::api::resource::resource;
use crate::ids::ApplicationId;

use super::{
    Actor, ApplicationClass, ApplicationConfigVariable, ApplicationMembership, ApplicationTag,
    ApplicationVariable, BuildVariable, Device, DeviceType, Organization, PublicDevice, PublicOrganization,
    Release, Service, TeamApplicationAccess, User,
};

resource! {
    /// An application.
    Application = "application", "application" {
        /// Id.
        id / ID: ApplicationId,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// Name, unique within its organization.
        app_name / APP_NAME: String,
        /// Handle of the organization and name: `my_org/my_app`.
        slug / SLUG: String,
        /// Uuid.
        uuid / UUID: String,
        /// Until when balena's support may look into it.
        is_accessible_by_support_until_date / IS_ACCESSIBLE_BY_SUPPORT_UNTIL_DATE = "is_accessible_by_support_until__date": Timestamp,
        /// Whether it is a host OS.
        is_host / IS_HOST: bool,
        /// Whether its devices get each new release as it comes.
        should_track_latest_release / SHOULD_TRACK_LATEST_RELEASE: bool,
        /// Whether everybody may see it.
        is_public / IS_PUBLIC: bool,
        /// What kind of application: `fleet`, `block` or `app`.
        is_of_class / IS_OF_CLASS = "is_of__class": ApplicationClass,
        /// Whether it is out of use.
        is_archived / IS_ARCHIVED: bool,
        /// Whether a public one is listed on balenaHub.
        is_discoverable / IS_DISCOVERABLE: bool,
        /// Where its source is.
        is_stored_at_repository_url / IS_STORED_AT_REPOSITORY_URL = "is_stored_at__repository_url": String,
    }
    navigation {
        /// The actor that it acts as; a plain id in version 6.
        actor / ACTOR = "actor": Actor,
        /// Its organization, as everybody may see it.
        public_organization / PUBLIC_ORGANIZATION = "public_organization": PublicOrganization,
        /// What its devices can do.
        application_type / APPLICATION_TYPE = "application_type": ApplicationType,
        /// Device type of its devices, unless they have one of their own.
        is_for_device_type / DEVICE_TYPE = "is_for__device_type": DeviceType,
        /// The application whose devices run this one for devices behind them; version 6 only.
        depends_on_application / DEPENDS_ON_APPLICATION = "depends_on__application": Application,
        /// The organization that owns it.
        organization / ORGANIZATION = "organization": Organization,
        /// The release that its devices should run.
        should_be_running_release / SHOULD_BE_RUNNING_RELEASE = "should_be_running__release": Release,
        /// Configuration variables.
        application_config_variable / APPLICATION_CONFIG_VARIABLE = "application_config_variable": ApplicationConfigVariable,
        /// Environment variables of its services.
        application_environment_variable / APPLICATION_ENVIRONMENT_VARIABLE = "application_environment_variable": ApplicationVariable,
        /// Variables that the builder sees.
        build_environment_variable / BUILD_ENVIRONMENT_VARIABLE = "build_environment_variable": BuildVariable,
        /// Tags.
        application_tag / APPLICATION_TAG = "application_tag": ApplicationTag,
        /// Its devices.
        owns_device / DEVICE = "owns__device": Device,
        /// Its devices, as everybody may see them.
        owns_public_device / PUBLIC_DEVICE = "owns__public_device": PublicDevice,
        /// Its releases.
        owns_release / OWNS_RELEASE = "owns__release" as "r": Release,
        /// Its services.
        service / SERVICE = "service": Service,
        /// Applications that its devices run for devices behind them; version 6 only.
        is_depended_on_by_application / IS_DEPENDED_ON_BY_APPLICATION = "is_depended_on_by__application": Application,
        /// Users that have direct access to it; as a filter, the owner of the token.
        is_directly_accessible_by_user / DIRECTLY_ACCESSIBLE_BY = "is_directly_accessible_by__user" as "dau": User,
        /// Its members.
        user_application_membership / USER_APPLICATION_MEMBERSHIP = "user_application_membership": ApplicationMembership,
        /// Teams that may use it.
        team_application_access / TEAM_APPLICATION_ACCESS = "team_application_access": TeamApplicationAccess,
        /// Host OS applications that its devices may run on.
        can_use_application_as_host / APPLICATION_AS_HOST = "can_use__application_as_host": ApplicationHostedOnApplication,
    }
}

resource! {
    /// An application type: what its devices can do.
    ApplicationType = "application_type", "application type" {
        /// Id.
        id / ID: i64,
        /// Name.
        name / NAME: String,
        /// Slug.
        slug / SLUG: String,
        /// What it is, in words.
        description / DESCRIPTION: String,
        /// Whether a device runs more than one service.
        supports_multicontainer / SUPPORTS_MULTICONTAINER: bool,
        /// Whether a device can have a public address.
        supports_web_url / SUPPORTS_WEB_URL: bool,
        /// Whether new applications can no longer have it.
        is_legacy / IS_LEGACY: bool,
        /// Whether it takes a plan that is paid for.
        requires_payment / REQUIRES_PAYMENT: bool,
        /// OS versions that it works with, as a semver range.
        needs_os_version_range / NEEDS_OS_VERSION_RANGE = "needs__os_version_range": String,
        /// Most devices that an application of it may have.
        maximum_device_count / MAXIMUM_DEVICE_COUNT: i64,
    }
}

resource! {
    /// Which host OS application an application may run on.
    ApplicationHostedOnApplication = "application__can_use__application_as_host", "hosting application" {
    }
    navigation {
        /// The application.
        application / APPLICATION = "application": Application,
        /// The host OS application.
        can_use_application_as_host / APPLICATION_AS_HOST = "can_use__application_as_host": Application,
    }
}
