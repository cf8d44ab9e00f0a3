//! Numeric ids, one type per resource, so that an image id cannot be passed as a device id.

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(i64);

        impl $name {
            /// Creates the id from its number.
            pub const fn new(id: i64) -> Self {
                Self(id)
            }

            /// Returns the number.
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::num::ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl From<i64> for $name {
            fn from(id: i64) -> Self {
                Self(id)
            }
        }

        // An integer literal without a suffix is an `i32`.
        impl From<i32> for $name {
            fn from(id: i32) -> Self {
                Self(id.into())
            }
        }
    )*};
}

ids! {
    /// Id of an application (fleet).
    ApplicationId;
    /// Id of a CPU architecture.
    CpuArchitectureId;
    /// Id of a device.
    DeviceId;
    /// Id of a device type.
    DeviceTypeId;
    /// Id of an image: one service's build in one release.
    ImageId;
    /// Id of an organization.
    OrganizationId;
    /// Id of a release asset: a file attached to a release.
    ReleaseAssetId;
    /// Id of a release.
    ReleaseId;
    /// Id of a service of an application.
    ServiceId;
    /// Id of a supervisor release (version 6 of the API).
    SupervisorReleaseId;
    /// Id of a tag of any kind: of an application, a device, a release or a membership.
    TagId;
    /// Id of a team.
    TeamId;
    /// Id of a membership of a team.
    TeamMembershipId;
    /// Id of a user.
    UserId;
    /// Id of a variable of any kind: configuration, environment or build.
    VariableId;
}
