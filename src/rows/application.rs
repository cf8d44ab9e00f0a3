//! Rows of applications, application types, host OS permissions and domains.

use jiff::Timestamp;

use crate::ids::ApplicationId;
use crate::odata::Nav;
use crate::resource::schema::resource;

use super::{
    Actor, ApplicationClass, ApplicationConfigVariable, ApplicationInvite, ApplicationMembership,
    ApplicationTag, ApplicationVariable, BuildVariable, Device, DeviceType, Organization, PublicDevice,
    PublicOrganization, Release, Service, TeamApplicationAccess, UserHasDirectAccessToApplication,
};

resource! {
    /// A fleet of devices, a block or an app.
    Application = "application", "application" {
        /// Id, assigned by the API.
        id / ID: ApplicationId,
        /// Time of creation.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name, 4 to 100 characters, unique within the organization.
        app_name / APP_NAME: String,
        /// Organization handle and application name in lower case, e.g. `my_org/my_app`; unique.
        slug / SLUG: String,
        /// 32 hexadecimal digits; unique.
        uuid / UUID: String,
        /// End of the access that balena's support was granted; `None` if it has no access. Not on openBalena.
        is_accessible_by_support_until_date / IS_ACCESSIBLE_BY_SUPPORT_UNTIL_DATE = "is_accessible_by_support_until__date": Timestamp,
        /// Whether the application is a host OS: its releases are OS versions.
        is_host / IS_HOST: bool,
        /// Whether each new final release becomes the target release of the application.
        should_track_latest_release / SHOULD_TRACK_LATEST_RELEASE: bool,
        /// Whether everybody can read the application and its releases.
        is_public / IS_PUBLIC: bool,
        /// Class: `fleet`, `block` or `app`.
        is_of_class / IS_OF_CLASS = "is_of__class": ApplicationClass,
        /// Whether the application is archived.
        is_archived / IS_ARCHIVED: bool,
        /// Whether a public application is listed on balenaHub. Not on openBalena.
        is_discoverable / IS_DISCOVERABLE: bool,
        /// URL of the source repository; `None` if unset. Not on openBalena.
        is_stored_at_repository_url / IS_STORED_AT_REPOSITORY_URL = "is_stored_at__repository_url": String,
    }
    navigation {
        /// Actor of the application, the owner of its API keys. Version 6 sends a plain id.
        #[serde(deserialize_with = "Nav::or_plain_id")]
        actor / ACTOR = "actor": Actor,
        /// Public view of the organization; version 6 only.
        public_organization / PUBLIC_ORGANIZATION = "public_organization": PublicOrganization,
        /// Application type: the features that the application supports.
        application_type / APPLICATION_TYPE = "application_type": ApplicationType,
        /// Default device type. A device can have another one of a compatible architecture.
        is_for_device_type / DEVICE_TYPE = "is_for__device_type": DeviceType,
        /// Application whose devices manage the devices of this one (gateway mode); version 6 only, always empty on
        /// openBalena.
        depends_on_application / DEPENDS_ON_APPLICATION = "depends_on__application": Application,
        /// Organization that owns the application.
        organization / ORGANIZATION = "organization": Organization,
        /// Target release of all devices that are not pinned; empty before the first successful release.
        should_be_running_release / SHOULD_BE_RUNNING_RELEASE = "should_be_running__release": Release,
        /// Configuration variables for all devices of the application.
        application_config_variable / APPLICATION_CONFIG_VARIABLE = "application_config_variable": ApplicationConfigVariable,
        /// Environment variables for all services on all devices of the application.
        application_environment_variable / APPLICATION_ENVIRONMENT_VARIABLE = "application_environment_variable": ApplicationVariable,
        /// Variables that the builder sets while it builds a release. Not on openBalena.
        build_environment_variable / BUILD_ENVIRONMENT_VARIABLE = "build_environment_variable": BuildVariable,
        /// Tags of the application.
        application_tag / APPLICATION_TAG = "application_tag": ApplicationTag,
        /// Domains of the application. Not in the documentation of version 6.
        application_domain_mapping / APPLICATION_DOMAIN_MAPPING = "application_domain_mapping": ApplicationDomainMapping,
        /// Devices of the application.
        owns_device / DEVICE = "owns__device": Device,
        /// Public view of the devices of the application.
        owns_public_device / PUBLIC_DEVICE = "owns__public_device": PublicDevice,
        /// Releases of the application.
        owns_release / OWNS_RELEASE = "owns__release" as "r": Release,
        /// Services of the application, from all its releases.
        service / SERVICE = "service": Service,
        /// Applications whose devices the devices of this one manage (gateway mode); version 6 only, always empty on
        /// openBalena.
        is_depended_on_by_application / IS_DEPENDED_ON_BY_APPLICATION = "is_depended_on_by__application": Application,
        /// Users with direct access, one row each. As a filter it matches the owner of the token.
        is_directly_accessible_by_user / DIRECTLY_ACCESSIBLE_BY = "is_directly_accessible_by__user" as "dau": UserHasDirectAccessToApplication,
        /// Members of the application, one row each. Not on openBalena.
        user_application_membership / USER_APPLICATION_MEMBERSHIP = "user_application_membership": ApplicationMembership,
        /// Open invites to the application. Not on openBalena.
        application_invite / APPLICATION_INVITE = "invitee__is_invited_to__application": ApplicationInvite,
        /// Teams with access to the application, one row each. Not on openBalena.
        team_application_access / TEAM_APPLICATION_ACCESS = "team_application_access": TeamApplicationAccess,
        /// Host OS applications that the devices may run, one row each. Not on openBalena.
        can_use_application_as_host / APPLICATION_AS_HOST = "can_use__application_as_host": ApplicationHostedOnApplication,
    }
}

resource! {
    /// An application type: the features that applications of this type support.
    ApplicationType = "application_type", "application type" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Time of creation.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row.
        modified_at / MODIFIED_AT: Timestamp,
        /// Display name, e.g. `Microservices`, `Default`.
        name / NAME: String,
        /// Unique short name, e.g. `microservices`, `default`.
        slug / SLUG: String,
        /// Description for people; `None` if there is none.
        description / DESCRIPTION: String,
        /// Whether a release can have more than one service.
        supports_multicontainer / SUPPORTS_MULTICONTAINER: bool,
        /// Whether devices can have a public device URL.
        supports_web_url / SUPPORTS_WEB_URL: bool,
        /// Whether devices can manage other devices.
        supports_gateway_mode / SUPPORTS_GATEWAY_MODE: bool,
        /// Whether the type is closed to new applications.
        is_legacy / IS_LEGACY: bool,
        /// Whether the type needs a paid plan.
        requires_payment / REQUIRES_PAYMENT: bool,
        /// Supported host OS versions as a semver range, e.g. `>=2.11.0`; `None` if all are supported.
        needs_os_version_range / NEEDS_OS_VERSION_RANGE = "needs__os_version_range": String,
        /// Maximum number of devices of an application; `None` without a limit.
        maximum_device_count / MAXIMUM_DEVICE_COUNT: i64,
    }
    navigation {
        /// Applications of this type.
        is_of_application / APPLICATION = "is_of__application": Application,
    }
}

resource! {
    /// Permission of an application's devices to run a host OS application.
    ApplicationHostedOnApplication = "application__can_use__application_as_host", "hosting application" {
    }
    navigation {
        /// Application with the permission.
        application / APPLICATION = "application": Application,
        /// Host OS application that its devices may run.
        can_use_application_as_host / APPLICATION_AS_HOST = "can_use__application_as_host": Application,
    }
}

resource! {
    /// A domain of an application. The documentation of version 6 does not list the resource.
    ApplicationDomainMapping = "application_domain_mapping", "application domain mapping" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Time of creation.
        created_at / CREATED_AT: Timestamp,
        /// Domain, e.g. `fleet.example.org`. The devices have host names below it.
        domain / DOMAIN: String,
    }
    navigation {
        /// Application that the domain belongs to.
        application / APPLICATION = "application": Application,
    }
}
