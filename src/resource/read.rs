//! Reads of one row or a list, with the caller's options merged into the function's defaults.

use std::fmt;

use http::Method;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};

use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::http::BufferedResponse;
use crate::json;
use crate::odata::{Filter, Key, Navigation, Query};

use super::json_request::{check_columns, decode_error};
use super::schema::Resource;

/// What a read is for, with the function's default options. Resolving it may take requests.
pub(crate) struct ReadTarget {
    pub(crate) resource: &'static str,
    pub(crate) key: Option<Key>,
    pub(crate) defaults: Query,
    /// Default options if the caller lifts the function's restriction.
    pub(crate) unrestricted: Option<Query>,
    /// Description of the row, for errors.
    pub(crate) subject: String,
    /// Error kind if the row does not exist.
    pub(crate) not_found_kind: ErrorKind,
    /// Whether an empty list is that error.
    pub(crate) must_match: bool,
    /// Set if the rows are the target rows of a navigation of one row. Defaults and options then apply to the target
    /// rows.
    pub(crate) parent: Option<ParentRow>,
    /// Columns inside expands that the function needs, whatever the caller selects.
    pub(crate) required_columns: Query,
}

/// The row whose navigation is read: its options, and the navigation.
pub(crate) struct ParentRow {
    outer: Query,
    navigation: &'static str,
}

impl ReadTarget {
    pub(crate) fn list<R: Resource>(defaults: Query) -> Self {
        Self::new(R::NAME, None, defaults, R::NOUN.to_owned())
    }

    /// Reads one row. `name` is the caller's key for it.
    pub(crate) fn one<R: Resource>(key: Option<Key>, defaults: Query, name: impl fmt::Display) -> Self {
        Self::new(R::NAME, key, defaults, format!("{} {name}", R::NOUN))
    }

    fn new(resource: &'static str, key: Option<Key>, defaults: Query, subject: String) -> Self {
        Self {
            resource,
            key,
            defaults,
            unrestricted: None,
            subject,
            not_found_kind: ErrorKind::NotFound,
            must_match: false,
            parent: None,
            required_columns: Query::new(),
        }
    }

    /// Reads a list that must not be empty. `name` is the caller's key for it.
    pub(crate) fn non_empty_list<R: Resource>(defaults: Query, name: impl fmt::Display) -> Self {
        Self { must_match: true, ..Self::one::<R>(None, defaults, name) }
    }

    /// Adds a filter that the caller can lift.
    pub(crate) fn with_default_filter<R: Resource>(mut self, filter: Filter<R>) -> Self {
        self.unrestricted = Some(self.defaults.clone());
        self.defaults = self.defaults.filter(filter);
        self
    }

    /// Reads the target rows of a navigation of this row, with default options of their own.
    pub(crate) fn through<R, S>(self, navigation: &Navigation<R, S>, defaults: Query) -> Self {
        let within = ParentRow { outer: self.defaults, navigation: navigation.name() };
        Self { defaults, parent: Some(within), ..self }
    }

    /// Adds columns inside expands that the function needs.
    pub(crate) fn with_required_columns(self, needs: Query) -> Self {
        Self { required_columns: needs, ..self }
    }

    /// Sets the error kind of a missing row.
    pub(crate) fn not_found_as(self, missing: ErrorKind) -> Self {
        Self { not_found_kind: missing, ..self }
    }
}

/// The response to a read, not yet decoded.
pub(crate) struct ReadResponse {
    response: BufferedResponse,
    subject: String,
    not_found_kind: ErrorKind,
    parent: Option<&'static str>,
}

impl ReadResponse {
    pub(crate) fn rows<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        self.parent.map_or_else(|| rows(&self.response), |navigation| self.nested(navigation))
    }

    pub(crate) fn one<T: DeserializeOwned>(&self) -> Result<T> {
        exactly_one(self.not_found_kind, self.rows()?, &self.subject, &self.response)
    }

    /// Checks that the one row has every requested column.
    pub(super) fn complete(self, asked: &Query) -> Result<Self> {
        let rows: Vec<Value> = self.rows()?;
        // Several rows are an error of their number, not of their columns.
        if rows.len() == 1 {
            check_columns(&self.response, &rows, asked)?;
        }
        Ok(self)
    }

    pub(super) fn count(&self) -> Result<u64> {
        self.parent.map_or_else(|| payload(&self.response), |navigation| self.nested(navigation))
    }

    /// Returns a column of the one row.
    fn nested<T: DeserializeOwned>(&self, column: &str) -> Result<T> {
        let mut row: Map<String, Value> =
            exactly_one(self.not_found_kind, rows(&self.response)?, &self.subject, &self.response)?;
        serde_json::from_value(row.remove(column).unwrap_or_default()).map_err(|cause| {
            decode_error(
                &self.response,
                &json::DecodeError { path: column.to_owned(), reason: cause.to_string() },
            )
        })
    }
}

impl Core {
    /// Reads a target with the caller's options. Not generic, so that it is compiled once for all resources.
    pub(crate) async fn read_target(&self, target: ReadTarget, options: Query) -> Result<ReadResponse> {
        let ReadTarget {
            resource,
            key,
            defaults,
            subject,
            not_found_kind: missing,
            must_match: required,
            parent: within,
            required_columns: needs,
            ..
        } = target;
        let mut query = defaults.into_defaults().merge(options)?;
        query.require(&needs);
        let required = required && !query.is_count();
        let (query, within) = match within {
            None => (query, None),
            Some(ParentRow { outer, navigation }) => {
                let inner = Navigation::<(), ()>::new(navigation).with(query);
                (outer.expand(inner), Some(navigation))
            }
        };
        let response = self.read(resource, key.as_ref(), &query).await?;
        if required && rows::<IgnoredAny>(&response)?.is_empty() {
            return Err(not_found_error(missing, &subject, &response));
        }
        Ok(ReadResponse { response, subject, not_found_kind: missing, parent: within })
    }

    pub(crate) async fn read(
        &self,
        resource: &str,
        key: Option<&Key>,
        query: &Query,
    ) -> Result<BufferedResponse> {
        let address = query.address(resource, key)?;
        self.send_resource(Method::GET, &address, None, true).await
    }
}

/// Decodes the rows of a response, and checks that each has every column that the query requests.
pub(crate) fn whole_rows<T: DeserializeOwned>(response: &BufferedResponse, asked: &Query) -> Result<Vec<T>> {
    check_columns(response, &rows::<Value>(response)?, asked)?;
    rows(response)
}

/// Decodes the rows of a response.
pub(crate) fn rows<T: DeserializeOwned>(response: &BufferedResponse) -> Result<Vec<T>> {
    payload(response)
}

fn payload<T: DeserializeOwned>(response: &BufferedResponse) -> Result<T> {
    #[derive(Deserialize)]
    struct Payload<T> {
        d: T,
    }
    json::decode(&response.body).map(|Payload { d }| d).map_err(|cause| decode_error(response, &cause))
}

/// Returns the only row. No row is an error of the kind `missing`, several are `is_ambiguous`.
pub(crate) fn exactly_one<T>(
    missing: ErrorKind,
    rows: Vec<T>,
    subject: &str,
    response: &BufferedResponse,
) -> Result<T> {
    let count = rows.len();
    let mut rows = rows.into_iter();
    match (rows.next(), count) {
        (Some(row), 1) => Ok(row),
        (None, _) => Err(not_found_error(missing, subject, response)),
        _ => Err(response_error(
            response,
            ErrorKind::Ambiguous,
            format!("{subject} is ambiguous: {count} match"),
        )
        .with_help("give the full uuid or the id")),
    }
}

/// Builds the error of a missing row.
fn not_found_error(kind: ErrorKind, subject: &str, response: &BufferedResponse) -> Error {
    response_error(response, kind, format!("{subject} not found"))
        .with_help("check the name, and that the token may read it: the API omits what a key may not read")
}

/// Builds an error from a response with a success status.
pub(crate) fn response_error(response: &BufferedResponse, kind: ErrorKind, text: String) -> Error {
    Error::new(kind, text)
        .with_operation(response.operation.clone())
        .with_status(response.status)
        .with_sent(true)
}
