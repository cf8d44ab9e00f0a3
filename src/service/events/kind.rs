//! The kinds of events. A client filters by these words.

/// Declares the kinds with their words in JSON.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)+) => {
        /// What an event tells; its field `type`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum EventKind {
            $($(#[$doc])* $name,)+
        }

        impl EventKind {
            /// All kinds.
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)+];

            /// Returns the word for JSON and for filters.
            pub(crate) fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }
        }
    };
}

kinds! {
    /// The whole state: the first event of a stream, and the first after `lagged` and `reset`.
    Snapshot = "snapshot",
    /// The client was too slow for the history. `missed` events are not sent; a snapshot follows.
    Lagged = "lagged",
    /// The events after `since` are not known any more. A snapshot follows.
    Reset = "reset",
    /// The supervisor stopped answering. What was known of applications and device counts no more.
    SupervisorLost = "supervisor_lost",
    /// The supervisor rejects the key. What was known of applications and device counts no more.
    SupervisorRefused = "supervisor_refused",
    /// The supervisor answers again. What changed meanwhile follows, then a snapshot.
    SupervisorBack = "supervisor_back",
    /// An application is new.
    ApplicationAppeared = "application_appeared",
    /// An application is gone.
    ApplicationGone = "application_gone",
    /// The target release of an application changed.
    ReleaseChanged = "release_changed",
    /// The update status of an application changed.
    UpdateStatusChanged = "update_status_changed",
    /// A service is new.
    ServiceAppeared = "service_appeared",
    /// A service is gone.
    ServiceGone = "service_gone",
    /// The status of a service changed.
    ServiceStatusChanged = "service_status_changed",
    /// The download of an image went on.
    DownloadProgress = "download_progress",
    /// Addresses, versions or the pending update of the device changed.
    DeviceChanged = "device_changed",
    /// A client got a lease on the update lock.
    LeaseGranted = "lease_granted",
    /// A lease is revoked in a minute.
    LeaseEnding = "lease_ending",
    /// The lock file of a lease was taken away by force.
    LeaseLost = "lease_lost",
    /// A lease ran out.
    LeaseExpired = "lease_expired",
    /// A lease was ended by a deadline.
    LeaseRevoked = "lease_revoked",
    /// A client gave its lease back.
    LeaseReleased = "lease_released",
    /// An asked action began.
    ActionStarted = "action_started",
    /// An asked action ended.
    ActionFinished = "action_finished",
    /// The ledger has a new line, or a line got its result.
    LedgerEntry = "ledger_entry",
    /// The agent stops. The last event of a stream.
    AgentStopping = "agent_stopping",
}

impl EventKind {
    /// Returns the kind of this word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == word)
    }

    /// Returns whether this kind tells a stream's own condition. A filter never drops it.
    pub(crate) fn is_of_the_stream(self) -> bool {
        matches!(self, Self::Lagged | Self::Reset)
    }
}

impl serde::Serialize for EventKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_unique_and_parse_back() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::parse(kind.as_str()), Some(*kind));
        }
        assert_eq!(EventKind::parse("snap"), None);
    }
}
