//! Enums for the columns with a known set of values. A filter accepts the enum or its text:
//! `Release::STATUS.eq("success")`.

use crate::odata::{Literal, LiteralOf, Value};
use crate::open_enum::open_enum;

pub use crate::supervisor::UpdateStatus;

macro_rules! column_enum {
    ($(#[$doc:meta])* $name:ident { $($body:tt)* }) => {
        open_enum! { $(#[$doc])* $name { $($body)* } }

        column_enum! { $name }
    };
    ($name:ident) => {
        impl Literal for $name {
            fn to_value(&self) -> Value {
                Value::from(self.as_str())
            }
        }

        impl LiteralOf<$name> for &str {
            fn into_value(self) -> Value {
                Value::from(self)
            }
        }
    };
}

column_enum! {
    /// Class of an application (`is_of__class`).
    ApplicationClass {
        /// Devices belong to it and run its releases.
        Fleet = "fleet",
        /// Building block: other applications are built from it.
        Block = "block",
        /// Template that is deployed into fleets.
        App = "app",
    }
}

column_enum! {
    /// Status of the build of a release or an image.
    BuildStatus {
        /// A user stopped the build.
        Cancelled = "cancelled",
        /// The builder had an internal error.
        Error = "error",
        /// The build failed.
        Failed = "failed",
        /// The builder stopped before the build ended.
        Interrupted = "interrupted",
        /// Built on the user's machine.
        Local = "local",
        /// The build runs.
        Running = "running",
        /// The build succeeded: devices can run the release.
        Success = "success",
        /// The build exceeded its time limit.
        Timeout = "timeout",
    }
}

column_enum! {
    /// Support phase of a release, set on releases of the host OS.
    ReleasePhase {
        /// Upcoming release.
        Next = "next",
        /// Recommended release.
        Current = "current",
        /// Support ends soon.
        Sunset = "sunset",
        /// Support has ended.
        EndOfLife = "end-of-life",
    }
}

column_enum! {
    /// Whether a device's supervisor polls its target state on time.
    HeartbeatState {
        /// The last poll was on time.
        Online = "online",
        /// No poll came before the timeout ended.
        Offline = "offline",
        /// A poll is overdue.
        Timeout = "timeout",
        /// The supervisor has not polled yet.
        Unknown = "unknown",
    }
}

column_enum! {
    /// Summary of a device's connection, update and provisioning, computed by the API. The first condition that holds
    /// decides, in the order inactive, provisioning, offline, updating.
    OverallStatus {
        /// The device was deactivated (`is_active` is `false`).
        Inactive = "inactive",
        /// `provisioning_state` is `Post-Provisioning`.
        PostProvisioning = "post-provisioning",
        /// The device is being provisioned, or never was online.
        Configuring = "configuring",
        /// The device downloads a release.
        Updating = "updating",
        /// Neither the VPN nor the supervisor is connected; version 6.
        Offline = "offline",
        /// None of the other conditions holds; version 6.
        Idle = "idle",
        /// Neither the VPN nor the supervisor is connected; version 7.
        Disconnected = "disconnected",
        /// Only one of VPN and supervisor is connected; version 7.
        ReducedFunctionality = "reduced-functionality",
        /// Both VPN and supervisor are connected and nothing is updating; version 7.
        Operational = "operational",
    }
}

column_enum! {
    /// Status of the payment of a credit bundle.
    PaymentStatus {
        /// The payment is in progress.
        Processing = "processing",
        /// The payment succeeded.
        Paid = "paid",
        /// The payment failed.
        Failed = "failed",
        /// The credits were free.
        Complimentary = "complimentary",
        /// The purchase was cancelled.
        Cancelled = "cancelled",
        /// The payment was refunded.
        Refunded = "refunded",
        /// The payment goes by a manual invoice; not in the documentation of version 6.
        ManuallyInvoiced = "manually invoiced",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Release;

    #[test]
    fn a_row_with_a_new_word_is_read_and_the_word_survives() {
        let text = r#"{"status":"paused","phase":"end-of-life"}"#;
        let release: Release = serde_json::from_str(text).unwrap();
        assert_eq!(release.status, Some(BuildStatus::from("paused")));
        assert_eq!(release.status.as_ref().unwrap().as_str(), "paused");
        assert_eq!(release.phase, Some(ReleasePhase::EndOfLife));
        assert_eq!(serde_json::to_string(&release).unwrap(), text);
    }

    #[test]
    fn a_filter_takes_the_word_and_its_text() {
        let word = format!("{:?}", Release::STATUS.eq(BuildStatus::Success));
        assert_eq!(word, format!("{:?}", Release::STATUS.eq("success")));
        assert_ne!(word, format!("{:?}", Release::STATUS.eq(BuildStatus::Failed)));
    }
}

// `device.update_status` has the values of the supervisor API.
column_enum! { UpdateStatus }
