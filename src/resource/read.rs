//! Reads of one row or a list, with the caller's options merged into the function's defaults.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use http::Method;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};

use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{BoxFuture, BufferedResponse};
use crate::json;
use crate::odata::{Expandable, Filter, Key, Navigation, Order, Query};

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

/// A target with the caller's options.
struct ReadRequest {
    core: Arc<Core>,
    target: BoxFuture<'static, Result<ReadTarget>>,
    options: Result<Query>,
}

impl ReadRequest {
    fn change(&mut self, change: impl FnOnce(Query) -> Query) {
        if let Ok(options) = &mut self.options {
            *options = change(std::mem::take(options));
        }
    }

    fn remove_default_filter(&mut self) {
        let target = std::mem::replace(&mut self.target, Box::pin(std::future::pending()));
        self.target = Box::pin(async move {
            let mut target = target.await?;
            if let Some(unrestricted) = target.unrestricted.take() {
                target.defaults = unrestricted;
            }
            Ok(target)
        });
    }

    /// Refuses `$count` where rows are expected.
    fn refuse_count(&self) -> Result<()> {
        if self.options.as_ref().is_ok_and(Query::is_count) {
            return Err(Error::argument(
                "$count",
                "this request returns rows; use `.count()` of a list for their number",
            ));
        }
        Ok(())
    }

    async fn send(self) -> Result<ReadResponse> {
        let options = self.options?;
        self.core.read_target(self.target.await?, options).await
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

macro_rules! read_request {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Nothing is sent before `.await`. `R` is the resource, `T` the type its rows are decoded into.
        #[must_use = "nothing is sent before `.await`"]
        pub struct $name<R, T = R> {
            read: ReadRequest,
            types: PhantomData<fn() -> (R, T)>,
        }

        impl<R: Resource, T> $name<R, T> {
            pub(crate) fn new(core: &Arc<Core>, target: impl Future<Output = Result<ReadTarget>> + Send + 'static) -> Self {
                let read = ReadRequest { core: core.clone(), target: Box::pin(target), options: Ok(Query::new()) };
                Self { read, types: PhantomData }
            }

            /// Selects these columns only, instead of those that the function selects.
            pub fn select<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
                let names: Vec<String> = names.into_iter().map(Into::into).collect();
                self.read.change(|options| options.select(names));
                self
            }

            /// Expands a navigation.
            pub fn expand(mut self, expand: impl Expandable<R>) -> Self {
                self.read.change(|options| options.expand(expand));
                self
            }

            /// Returns only rows that match `filter`, in addition to the function's own filter.
            pub fn filter(mut self, filter: Filter<R>) -> Self {
                self.read.change(|options| options.filter(filter));
                self
            }

            /// Merges options in the SDKs' form: `json!({"$select": …, "$filter": {…}})`.
            pub fn options(mut self, options: &Value) -> Self {
                self.read.options =
                    self.read.options.and_then(|known| known.merge(Query::from_json(options)?));
                self
            }

            /// Decodes the rows into another type.
            pub fn rows<U>(self) -> $name<R, U> {
                $name { read: self.read, types: PhantomData }
            }
        }

        impl<R, T> fmt::Debug for $name<R, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("options", &self.read.options).finish_non_exhaustive()
            }
        }
    };
}

read_request! {
    /// A request for one row.
    ///
    /// # Errors
    /// `is_not_found` if there is none, `is_ambiguous` if there are several.
    Get
}

read_request! {
    /// A request for a list of rows.
    List
}

read_request! {
    /// A request for the first row of a list. `None` if the list is empty.
    First
}

impl<R: Resource, T> Get<R, T> {
    /// Lifts the function's restriction.
    pub(crate) fn without_default_filter(mut self) -> Self {
        self.read.remove_default_filter();
        self
    }
}

impl<R: Resource, T> List<R, T> {
    /// Lifts the function's restriction.
    pub(crate) fn unrestricted(mut self) -> Self {
        self.read.remove_default_filter();
        self
    }

    pub(super) fn into_parts(self) -> (Arc<Core>, BoxFuture<'static, Result<ReadTarget>>, Result<Query>) {
        (self.read.core, self.read.target, self.read.options)
    }

    /// Sorts the rows. Further calls add lower-ranked sort keys.
    pub fn order_by(mut self, order: Order<R>) -> Self {
        self.read.change(|options| options.order_by(order));
        self
    }

    /// Limits the number of rows.
    pub fn top(mut self, rows: u64) -> Self {
        self.read.change(|options| options.top(rows));
        self
    }

    /// Skips the first `rows` rows.
    pub fn skip(mut self, rows: u64) -> Self {
        self.read.change(|options| options.skip(rows));
        self
    }
}

impl<R: Resource, T: DeserializeOwned + Send + 'static> IntoFuture for Get<R, T> {
    type Output = Result<T>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            self.read.refuse_count()?;
            self.read.send().await?.one()
        })
    }
}

impl<R: Resource, T: DeserializeOwned + Send + 'static> IntoFuture for List<R, T> {
    type Output = Result<Vec<T>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Vec<T>>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            self.read.refuse_count()?;
            self.read.send().await?.rows()
        })
    }
}

impl<R: Resource, T: DeserializeOwned + Send + 'static> IntoFuture for First<R, T> {
    type Output = Result<Option<T>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Option<T>>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            self.read.refuse_count()?;
            Ok(self.read.send().await?.rows()?.into_iter().next())
        })
    }
}
