//! Row types of the API's resources, one `resource!` call each.
//!
//! Each row type has the columns and navigations of versions 6 and 7 of the API. The docs mark a name that only one
//! version has; the client refuses a request that uses it under the other version.
//!
//! Phrases in the docs:
//!
//! - *`None`*: the value is null, or the column was not selected. *Empty*: a navigation without rows.
//! - *Not in the published types* (of the SDK for JavaScript, version 7), *not in the documentation* (of the SDK for
//!   Python, version 6): servers send the column, although it is not listed there.
//! - *Not on openBalena*: open-balena-api has no such name and answers status 500 to a request that uses it; for a
//!   resource as a whole status 401.
//! - *Actor*: the identity of a user, an application or a device that API keys belong to.
//!
//! Times are UTC. Ids are unique within a resource.

mod application;
mod credit_bundle;
mod device;
mod device_history;
mod device_type;
mod identity;
mod image;
mod membership;
mod organization;
mod plan;
mod release;
mod secret;
mod service;
mod tag;
mod team;
#[cfg(test)]
mod tests;
mod user;
mod values;
mod variable;

pub use application::{
    Application, ApplicationDomainMapping, ApplicationHostedOnApplication, ApplicationType,
};
pub use credit_bundle::CreditBundle;
pub use device::{Device, DeviceDomainMapping, PublicDevice, ServiceInstance};
pub use device_history::DeviceHistory;
pub use device_type::{CpuArchitecture, DeviceFamily, DeviceManufacturer, DeviceType, DeviceTypeAlias};
pub use identity::{
    IdentityProvider, IdentityProviderMembership, OauthApplication, OauthApplicationAuthorization,
    RecoveryTwoFactor, SamlAccount, SocialServiceAccount, UserProfile,
};
pub use image::{Delta, Image, ImageInstall, ReleaseImage};
pub use membership::{
    ApplicationInvite, ApplicationMembership, ApplicationMembershipRole, Invitee,
    UserHasDirectAccessToApplication,
};
pub use organization::{
    Organization, OrganizationInvite, OrganizationMembership, OrganizationMembershipRole,
    OrganizationPrivateDeviceTypeAccess, PublicOrganization,
};
pub use plan::{
    Feature, OrganizationCreditNotification, Plan, PlanAddon, PlanFeature, PlanHasDiscountCode, Subscription,
    SubscriptionAddonDiscount, SubscriptionPrepaidAddon, SupportFeature, SupportTier,
};
pub use release::{Release, ReleaseAsset, SupervisorRelease, WebResource};
pub use secret::SecretText;
pub use service::{ImageLabel, Service, ServiceInstall, ServiceLabel};
pub use tag::{ApplicationTag, DeviceTag, OrganizationMembershipTag, ReleaseTag};
pub use team::{Team, TeamApplicationAccess, TeamMembership};
pub use user::{Actor, ApiKey, SshKey, User};
pub use values::{
    ApplicationClass, BuildStatus, HeartbeatState, OverallStatus, PaymentStatus, ReleasePhase, UpdateStatus,
};
pub use variable::{
    ApplicationConfigVariable, ApplicationVariable, BuildVariable, DeviceConfigVariable,
    DeviceServiceVariable, DeviceVariable, ImageEnvironmentVariable, ServiceVariable,
};
