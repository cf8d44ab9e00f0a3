//! The row types of the cloud's resources, one macro call each; the nouns beside this folder act on them.

mod application;
mod credit_bundle;
mod device;
mod device_type;
mod membership;
mod organization;
mod release;
mod service;
mod tag;
mod team;
mod user;
mod variable;
mod words;

pub use application::{Application, ApplicationHostedOnApplication, ApplicationType};
pub use credit_bundle::CreditBundle;
pub use device::{Device, DeviceHistory, PublicDevice, ServiceInstance};
pub use device_type::{CpuArchitecture, DeviceFamily, DeviceManufacturer, DeviceType, DeviceTypeAlias};
pub use membership::{ApplicationInvite, ApplicationMembership, ApplicationMembershipRole, Invitee};
pub use organization::{
    Organization, OrganizationInvite, OrganizationMembership, OrganizationMembershipRole,
    OrganizationPrivateDeviceTypeAccess, PublicOrganization,
};
pub use release::{Image, ImageInstall, Release, ReleaseAsset, ReleaseImage, SupervisorRelease, WebResource};
pub use service::{Service, ServiceInstall};
pub use tag::{ApplicationTag, DeviceTag, OrganizationMembershipTag, ReleaseTag};
pub use team::{Team, TeamApplicationAccess, TeamMembership};
pub use user::{Actor, ApiKey, SshKey, User};
pub use variable::{
    ApplicationConfigVariable, ApplicationVariable, BuildVariable, DeviceConfigVariable,
    DeviceServiceVariable, DeviceVariable, ServiceVariable,
};
pub use words::{
    ApplicationClass, BuildStatus, HeartbeatState, OverallStatus, PaymentStatus, ReleasePhase, UpdateStatus,
};
