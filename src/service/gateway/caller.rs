//! Who asks.

use std::net::IpAddr;
use std::sync::Arc;

/// The client of a request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Name of the client; `anonymous` if it is not known.
    pub(crate) name: Arc<str>,
    /// How it is known.
    pub(crate) via: Via,
    /// Its address; loopback on a Unix socket.
    pub(crate) address: IpAddr,
}

/// How a client is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    /// It is not.
    Anonymous,
}
