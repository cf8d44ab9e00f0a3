//! A request on its way to its handler, and what the handler makes of it.

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::Value;

use super::keys::Access;
use super::response::ServerResponse;
use super::routes::Endpoint;

/// A request, read completely.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// The result of a request.
#[derive(Debug)]
pub(super) enum Outcome {
    Answer(ServerResponse),
    /// The handler does not catch this error: the supervisor crashes.
    Crash,
}

impl From<ServerResponse> for Outcome {
    fn from(answer: ServerResponse) -> Self {
        Self::Answer(answer)
    }
}

/// A request that passed authentication, body parsing and routing.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) endpoint: Endpoint,
    /// The decoded id in the path.
    pub(super) parameter: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Value,
    pub(super) key: String,
    pub(super) access: Access,
}

impl Admitted {
    /// Returns a field of the body.
    pub(super) fn field(&self, name: &str) -> &Value {
        self.body.get(name).unwrap_or(&Value::Null)
    }
}
