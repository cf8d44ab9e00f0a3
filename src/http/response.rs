//! A response of the cloud API with its body in memory.

use bytes::Bytes;
use http::HeaderMap;
use secrecy::SecretString;

/// A complete response with a success status.
#[derive(Debug)]
pub(crate) struct BufferedResponse {
    /// Method and path of the request, for error texts.
    pub(crate) operation: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Token of the request. If the server echoes it in the body, error texts must redact it.
    pub(crate) token: Option<SecretString>,
}
