//! The words of columns that have a fixed set of them; a filter takes the word as text as well.

use crate::odata::{Literal, LiteralOf, Value};
use crate::open_enum::open_enum;

pub use crate::supervisor::UpdateStatus;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($body:tt)* }) => {
        open_enum! { $(#[$doc])* $name { $($body)* } }

        words! { $name }
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

words! {
    /// What kind of application it is (`is_of__class`).
    ApplicationClass {
        /// Runs on devices.
        Fleet = "fleet",
        /// To build others from.
        Block = "block",
        /// To be deployed into fleets.
        App = "app",
    }
}

words! {
    /// How the build of a release or an image ended, or that it runs.
    BuildStatus {
        /// Stopped by its user.
        Cancelled = "cancelled",
        /// The builder had an error of its own.
        Error = "error",
        /// The build failed.
        Failed = "failed",
        /// The builder went away.
        Interrupted = "interrupted",
        /// Made on the user's machine.
        Local = "local",
        /// Not done yet.
        Running = "running",
        /// Done: devices can run it.
        Success = "success",
        /// Took too long.
        Timeout = "timeout",
    }
}

words! {
    /// Where a release stands in its life (releases of the host OS).
    ReleasePhase {
        /// To come.
        Next = "next",
        /// The one to use.
        Current = "current",
        /// Soon without support.
        Sunset = "sunset",
        /// Without support.
        EndOfLife = "end-of-life",
    }
}

words! {
    /// What the cloud hears of a device's supervisor.
    HeartbeatState {
        /// It calls in time.
        Online = "online",
        /// It no longer calls.
        Offline = "offline",
        /// A call is overdue.
        Timeout = "timeout",
        /// It was never heard.
        Unknown = "unknown",
    }
}

words! {
    /// The state of a device in one word.
    OverallStatus {
        /// It was never online.
        Inactive = "inactive",
        /// It was provisioned and has not run yet.
        PostProvisioning = "post-provisioning",
        /// It is being provisioned.
        Configuring = "configuring",
        /// It is being brought to another release.
        Updating = "updating",
        /// Nobody hears of it; the word of version 6.
        Offline = "offline",
        /// It runs and is heard of; the word of version 6.
        Idle = "idle",
        /// Nobody hears of it; the word of version 7.
        Disconnected = "disconnected",
        /// Only one of its VPN and its supervisor is heard of; version 7.
        ReducedFunctionality = "reduced-functionality",
        /// Both are heard of; version 7.
        Operational = "operational",
    }
}

words! {
    /// How far the payment of a credit bundle is.
    PaymentStatus {
        /// Not decided yet.
        Processing = "processing",
        /// Paid.
        Paid = "paid",
        /// Not paid.
        Failed = "failed",
        /// Given for nothing.
        Complimentary = "complimentary",
        /// Called off.
        Cancelled = "cancelled",
        /// Paid back.
        Refunded = "refunded",
        /// Told by an invoice that people write.
        ManuallyInvoiced = "manually invoiced",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::rows::Release;

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

// The cloud tells it in the supervisor's own words.
words! { UpdateStatus }
