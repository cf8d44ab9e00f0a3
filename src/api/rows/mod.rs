//! The row types of the cloud's resources, one macro call each; the nouns beside this folder act on them.
//!
//! They hold the published types of version 7 and the documented ones of version 6 at once. A name that only one of
//! the versions has says so, and a request that names it under the other is refused before it is sent.

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
mod variable;
mod words;

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
pub use variable::{
    ApplicationConfigVariable, ApplicationVariable, BuildVariable, DeviceConfigVariable,
    DeviceServiceVariable, DeviceVariable, ImageEnvironmentVariable, ServiceVariable,
};
pub use words::{
    ApplicationClass, BuildStatus, HeartbeatState, OverallStatus, PaymentStatus, ReleasePhase, UpdateStatus,
};
