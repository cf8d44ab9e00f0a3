//! A request to the supervisor, before it is sent.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::endpoint::Endpoint;
use super::lock_rejection::Force;

/// A request: endpoint, path, query and body.
pub(crate) struct RequestSpec {
    pub(crate) endpoint: &'static Endpoint,
    pub(crate) path: Cow<'static, str>,
    /// Encoded query parameters after the key.
    pub(crate) query: Option<String>,
    /// `None` is no body, which differs from `{}`.
    pub(crate) body: Option<Value>,
}

impl RequestSpec {
    pub(crate) fn new(endpoint: &'static Endpoint, path: impl Into<Cow<'static, str>>) -> Self {
        Self { endpoint, path: path.into(), query: None, body: None }
    }

    pub(crate) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Returns whether the request overrides update locks.
    pub(crate) fn force(&self) -> Force {
        let given = self.body.as_ref().and_then(|body| body.get("force")) == Some(&Value::Bool(true));
        match (self.endpoint.takes_locks, given) {
            (false, _) => Force::NotTaken,
            (true, false) => Force::Offered,
            (true, true) => Force::Given,
        }
    }

    /// Sets a field of the body.
    pub(super) fn set(&mut self, name: &str, value: Value) {
        if let Value::Object(fields) = self.body.get_or_insert_with(|| Value::Object(Map::new())) {
            fields.insert(name.to_owned(), value);
        }
    }

    pub(super) fn operation(&self) -> String {
        format!("{} {}", self.endpoint.method, self.path)
    }
}

/// Omits the values: a body may contain a password, a target state contains every secret.
impl std::fmt::Debug for RequestSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fields: Option<Vec<&String>> =
            self.body.as_ref().and_then(Value::as_object).map(|fields| fields.keys().collect());
        f.debug_struct("Spec")
            .field("operation", &self.operation())
            .field("fields", &fields)
            .finish_non_exhaustive()
    }
}
