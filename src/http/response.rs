//! A response of the cloud API whose body is in memory.

use bytes::Bytes;
use http::HeaderMap;
use secrecy::SecretString;

/// A whole answer with a success status.
#[derive(Debug)]
pub(crate) struct BufferedResponse {
    pub(crate) operation: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// What the request was allowed by: a server that echoes it must not put it into an error's text.
    pub(crate) token: Option<SecretString>,
}
