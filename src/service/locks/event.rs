//! What happens to a lease, for subscribers and the log.

use serde::Serialize;

use crate::service::events::EventKind;

use super::view::LeaseView;

/// A change of a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct LeaseEvent {
    /// What happened.
    pub(crate) what: LeaseChange,
    /// The lease after it, without what only its client may see.
    pub(crate) lease: LeaseView,
}

/// What happened to a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LeaseChange {
    Granted,
    /// Continued by a new process of the agent.
    Adopted,
    /// It will be revoked: `seconds_left` says when.
    RevocationAnnounced,
    Released,
    Expired,
    Revoked,
    Lost,
}

impl LeaseChange {
    /// Returns the kind for subscribers; `None` if it is nothing new to them.
    pub(crate) fn kind(self) -> Option<EventKind> {
        match self {
            Self::Granted => Some(EventKind::LeaseGranted),
            Self::Adopted => None,
            Self::RevocationAnnounced => Some(EventKind::LeaseEnding),
            Self::Released => Some(EventKind::LeaseReleased),
            Self::Expired => Some(EventKind::LeaseExpired),
            Self::Revoked => Some(EventKind::LeaseRevoked),
            Self::Lost => Some(EventKind::LeaseLost),
        }
    }
}
