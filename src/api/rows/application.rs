//! Rows: applications, application types, hosting applications, host names of applications.

use jiff::Timestamp;

use crate::api::resource::resource;
use crate::ids::ApplicationId;
use crate::odata::Nav;

use super::{
    Actor, ApplicationClass, ApplicationConfigVariable, ApplicationInvite, ApplicationMembership,
    ApplicationTag, ApplicationVariable, BuildVariable, Device, DeviceType, Organization, PublicDevice,
    PublicOrganization, Release, Service, TeamApplicationAccess, UserHasDirectAccessToApplication,
};

resource! {
    /// An application: a fleet of devices, a block or an app.
    Application = "application", "application" {
        /// Number that the cloud gave it, unique among all applications.
        id / ID: ApplicationId,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// When a column of the row changed last.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name, unique within its organization.
        app_name / APP_NAME: String,
        /// Handle of the organization and name in lower case, unique: `my_org/my_app`.
        slug / SLUG: String,
        /// 32 hexadecimal digits, unique among all applications; the same wherever it is deployed.
        uuid / UUID: String,
        /// Until when balena's support may look into it; none when it may not.
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
        /// Whether a public one is listed on balenaHub. Servers without that lack it.
        is_discoverable / IS_DISCOVERABLE: bool,
        /// URL of the repository that its source is in; none when nobody gave one. Servers without balenaHub lack it.
        is_stored_at_repository_url / IS_STORED_AT_REPOSITORY_URL = "is_stored_at__repository_url": String,
    }
    navigation {
        /// The actor that it acts as; a plain id in version 6.
        #[serde(deserialize_with = "Nav::or_plain_id")]
        actor / ACTOR = "actor": Actor,
        /// Its organization, as everybody may see it; version 6 only.
        public_organization / PUBLIC_ORGANIZATION = "public_organization": PublicOrganization,
        /// What its devices can do.
        application_type / APPLICATION_TYPE = "application_type": ApplicationType,
        /// Device type of its devices, unless they have one of their own.
        is_for_device_type / DEVICE_TYPE = "is_for__device_type": DeviceType,
        /// The application whose devices run this one for devices behind them; version 6 only.
        depends_on_application / DEPENDS_ON_APPLICATION = "depends_on__application": Application,
        /// The organization that owns it.
        organization / ORGANIZATION = "organization": Organization,
        /// The release that its devices should run, unless they are pinned to one; nothing before the first.
        should_be_running_release / SHOULD_BE_RUNNING_RELEASE = "should_be_running__release": Release,
        /// Configuration variables for all of its devices.
        application_config_variable / APPLICATION_CONFIG_VARIABLE = "application_config_variable": ApplicationConfigVariable,
        /// Environment variables for all services on all of its devices.
        application_environment_variable / APPLICATION_ENVIRONMENT_VARIABLE = "application_environment_variable": ApplicationVariable,
        /// Variables that the builder sees.
        build_environment_variable / BUILD_ENVIRONMENT_VARIABLE = "build_environment_variable": BuildVariable,
        /// Tags of its own.
        application_tag / APPLICATION_TAG = "application_tag": ApplicationTag,
        /// Host names of its own. The documentation of version 6 does not list it.
        application_domain_mapping / APPLICATION_DOMAIN_MAPPING = "application_domain_mapping": ApplicationDomainMapping,
        /// Devices that are in it.
        owns_device / DEVICE = "owns__device": Device,
        /// Devices that are in it, as everybody may see them.
        owns_public_device / PUBLIC_DEVICE = "owns__public_device": PublicDevice,
        /// Releases that were made of it.
        owns_release / OWNS_RELEASE = "owns__release" as "r": Release,
        /// Services that its releases have or had.
        service / SERVICE = "service": Service,
        /// Applications that its devices run for devices behind them; version 6 only.
        is_depended_on_by_application / IS_DEPENDED_ON_BY_APPLICATION = "is_depended_on_by__application": Application,
        /// Users that have direct access to it, a row each; as a filter, the owner of the token.
        is_directly_accessible_by_user / DIRECTLY_ACCESSIBLE_BY = "is_directly_accessible_by__user" as "dau": UserHasDirectAccessToApplication,
        /// Users that are members of it.
        user_application_membership / USER_APPLICATION_MEMBERSHIP = "user_application_membership": ApplicationMembership,
        /// Invites to it that were not accepted yet.
        application_invite / APPLICATION_INVITE = "invitee__is_invited_to__application": ApplicationInvite,
        /// Teams that may use it.
        team_application_access / TEAM_APPLICATION_ACCESS = "team_application_access": TeamApplicationAccess,
        /// Host OS applications that its devices may run on, a row each.
        can_use_application_as_host / APPLICATION_AS_HOST = "can_use__application_as_host": ApplicationHostedOnApplication,
    }
}

resource! {
    /// An application type: what its devices can do.
    ApplicationType = "application_type", "application type" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// When a column of the row changed last.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name for people, e.g. `Microservices`.
        name / NAME: String,
        /// Short name, unique, e.g. `microservices`.
        slug / SLUG: String,
        /// What it is, in words; none when nobody wrote any.
        description / DESCRIPTION: String,
        /// Whether a device runs more than one service.
        supports_multicontainer / SUPPORTS_MULTICONTAINER: bool,
        /// Whether a device can have a public URL.
        supports_web_url / SUPPORTS_WEB_URL: bool,
        /// Whether a device can manage others behind it.
        supports_gateway_mode / SUPPORTS_GATEWAY_MODE: bool,
        /// Whether new applications can no longer have it.
        is_legacy / IS_LEGACY: bool,
        /// Whether it takes a plan that is paid for.
        requires_payment / REQUIRES_PAYMENT: bool,
        /// OS versions that it works with, as a semver range; none when it works with all.
        needs_os_version_range / NEEDS_OS_VERSION_RANGE = "needs__os_version_range": String,
        /// Most devices that an application of it may have; none without a limit.
        maximum_device_count / MAXIMUM_DEVICE_COUNT: i64,
    }
    navigation {
        /// Applications of this type.
        is_of_application / APPLICATION = "is_of__application": Application,
    }
}

resource! {
    /// That the devices of an application may run on a host OS application.
    ApplicationHostedOnApplication = "application__can_use__application_as_host", "hosting application" {
    }
    navigation {
        /// The application that may.
        application / APPLICATION = "application": Application,
        /// The host OS application that it may run on.
        can_use_application_as_host / APPLICATION_AS_HOST = "can_use__application_as_host": Application,
    }
}

resource! {
    /// A host name of an application. The documentation of version 6 does not list the resource.
    ApplicationDomainMapping = "application_domain_mapping", "application domain mapping" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// The domain, e.g. `fleet.example.org`: its devices have names below it.
        domain / DOMAIN: String,
    }
    navigation {
        /// The application whose it is.
        application / APPLICATION = "application": Application,
    }
}
