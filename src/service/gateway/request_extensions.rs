//! What the server adds to a request for the endpoints that answer it.

use std::net::IpAddr;

/// The address of the client; an extension of its request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

/// Marks a request whose response closes the connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CloseAfterResponse;
