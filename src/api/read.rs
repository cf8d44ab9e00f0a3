//! Reading rows: one by its key, or a list; with the caller's options over the defaults of the function.

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
use crate::http::{BoxFuture, Reply};
use crate::json;
use crate::odata::{Expandable, Filter, Key, Navigation, Order, Query};

use super::answer::{complete, unreadable};
use super::resource::Resource;

/// Where to read, and the function's own options. Finding that out may take requests of its own.
pub(crate) struct Target {
    pub(crate) resource: &'static str,
    pub(crate) key: Option<Key>,
    pub(crate) defaults: Query,
    /// What to ask instead when the caller lifts a restriction that the function has by default.
    pub(crate) unrestricted: Option<Query>,
    /// What is looked for, for the error when it is not there.
    pub(crate) sought: String,
    /// What kind of error that is.
    pub(crate) missing: ErrorKind,
    /// Whether a list without rows is that error.
    pub(crate) required: bool,
    /// The rows are those that a navigation of the one row leads to; defaults and options are for them.
    pub(crate) within: Option<Within>,
    /// Columns inside of expands that the function can't do without, whatever the caller selects there.
    pub(crate) needs: Query,
}

/// The row that others are within: what is asked of it, and the navigation to them.
pub(crate) struct Within {
    outer: Query,
    navigation: &'static str,
}

impl Target {
    pub(crate) fn list<R: Resource>(defaults: Query) -> Self {
        Self::new(R::NAME, None, defaults, R::NOUN.to_owned())
    }

    /// One row; `name` is how the caller called it.
    pub(crate) fn one<R: Resource>(key: Option<Key>, defaults: Query, name: impl fmt::Display) -> Self {
        Self::new(R::NAME, key, defaults, format!("{} {name}", R::NOUN))
    }

    fn new(resource: &'static str, key: Option<Key>, defaults: Query, sought: String) -> Self {
        Self {
            resource,
            key,
            defaults,
            unrestricted: None,
            sought,
            missing: ErrorKind::NotFound,
            required: false,
            within: None,
            needs: Query::new(),
        }
    }

    /// A list in which there has to be something: what has this name.
    pub(crate) fn some<R: Resource>(defaults: Query, name: impl fmt::Display) -> Self {
        Self { required: true, ..Self::one::<R>(None, defaults, name) }
    }

    /// Rows for which this holds too, unless the caller lifts it.
    pub(crate) fn restricted_to<R: Resource>(mut self, filter: Filter<R>) -> Self {
        self.unrestricted = Some(self.defaults.clone());
        self.defaults = self.defaults.filter(filter);
        self
    }

    /// The rows that a navigation of this one row leads to, with defaults of their own.
    pub(crate) fn inside<R, S>(self, navigation: &Navigation<R, S>, defaults: Query) -> Self {
        let within = Within { outer: self.defaults, navigation: navigation.name() };
        Self { defaults, within: Some(within), ..self }
    }

    /// With columns inside of expands that the function can't do without.
    pub(crate) fn needing(self, needs: Query) -> Self {
        Self { needs, ..self }
    }

    /// The error is of this kind when the row is not there.
    pub(crate) fn missing_is(self, missing: ErrorKind) -> Self {
        Self { missing, ..self }
    }
}

/// The caller's options and where they go.
struct Read {
    core: Arc<Core>,
    target: BoxFuture<'static, Result<Target>>,
    options: Result<Query>,
}

impl Read {
    fn change(&mut self, change: impl FnOnce(Query) -> Query) {
        if let Ok(options) = &mut self.options {
            *options = change(std::mem::take(options));
        }
    }

    fn lift_restriction(&mut self) {
        let target = std::mem::replace(&mut self.target, Box::pin(std::future::pending()));
        self.target = Box::pin(async move {
            let mut target = target.await?;
            if let Some(unrestricted) = target.unrestricted.take() {
                target.defaults = unrestricted;
            }
            Ok(target)
        });
    }

    /// A number is no row.
    fn no_count(&self) -> Result<()> {
        if self.options.as_ref().is_ok_and(Query::is_count) {
            return Err(Error::argument(
                "$count",
                "these are rows; `.count()` of a list asks for their number",
            ));
        }
        Ok(())
    }

    async fn send(self) -> Result<Found> {
        let options = self.options?;
        self.core.look(self.target.await?, options).await
    }
}

/// An answer to a read, before it is decoded.
pub(crate) struct Found {
    reply: Reply,
    sought: String,
    missing: ErrorKind,
    within: Option<&'static str>,
}

impl Found {
    pub(crate) fn rows<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        self.within.map_or_else(|| rows(&self.reply), |navigation| self.part(navigation))
    }

    pub(crate) fn one<T: DeserializeOwned>(&self) -> Result<T> {
        one(self.missing, self.rows()?, &self.sought, &self.reply)
    }

    /// Refuses a row without what was asked for.
    pub(super) fn complete(self, asked: &Query) -> Result<Self> {
        let rows: Vec<Value> = self.rows()?;
        // Of several rows it is not the columns that are wrong.
        if rows.len() == 1 {
            complete(&self.reply, &rows, asked)?;
        }
        Ok(self)
    }

    pub(super) fn count(&self) -> Result<u64> {
        self.within.map_or_else(|| payload(&self.reply), |navigation| self.part(navigation))
    }

    /// What the one row has in this column.
    fn part<T: DeserializeOwned>(&self, column: &str) -> Result<T> {
        let mut row: Map<String, Value> = one(self.missing, rows(&self.reply)?, &self.sought, &self.reply)?;
        serde_json::from_value(row.remove(column).unwrap_or_default()).map_err(|cause| {
            unreadable(&self.reply, &json::Misfit { path: column.to_owned(), why: cause.to_string() })
        })
    }
}

impl Core {
    /// Reads what a target leads to, with the caller's options. Not generic: compiled once for all resources.
    pub(crate) async fn look(&self, target: Target, options: Query) -> Result<Found> {
        let Target { resource, key, defaults, sought, missing, required, within, needs, .. } = target;
        let mut query = defaults.own().merge(options)?;
        query.require(&needs);
        let required = required && !query.is_count();
        let (query, within) = match within {
            None => (query, None),
            Some(Within { outer, navigation }) => {
                let inner = Navigation::<(), ()>::new(navigation).with(query);
                (outer.expand(inner), Some(navigation))
            }
        };
        let reply = self.read(resource, key.as_ref(), &query).await?;
        if required && rows::<IgnoredAny>(&reply)?.is_empty() {
            return Err(not_there(missing, &sought, &reply));
        }
        Ok(Found { reply, sought, missing, within })
    }

    pub(crate) async fn read(&self, resource: &str, key: Option<&Key>, query: &Query) -> Result<Reply> {
        let address = query.address(resource, key)?;
        self.resource(Method::GET, &address, None, true).await
    }
}

/// The rows of an answer to this query: each has every column that was asked for.
pub(crate) fn whole_rows<T: DeserializeOwned>(reply: &Reply, asked: &Query) -> Result<Vec<T>> {
    complete(reply, &rows::<Value>(reply)?, asked)?;
    rows(reply)
}

/// The rows of an answer.
pub(crate) fn rows<T: DeserializeOwned>(reply: &Reply) -> Result<Vec<T>> {
    payload(reply)
}

fn payload<T: DeserializeOwned>(reply: &Reply) -> Result<T> {
    #[derive(Deserialize)]
    struct Payload<T> {
        d: T,
    }
    json::decode(&reply.body).map(|Payload { d }| d).map_err(|misfit| unreadable(reply, &misfit))
}

/// Exactly one row, or an error of this kind when there is none.
pub(crate) fn one<T>(missing: ErrorKind, rows: Vec<T>, sought: &str, reply: &Reply) -> Result<T> {
    let count = rows.len();
    let mut rows = rows.into_iter();
    match (rows.next(), count) {
        (Some(row), 1) => Ok(row),
        (None, _) => Err(not_there(missing, sought, reply)),
        _ => Err(about(reply, ErrorKind::Ambiguous, format!("{sought} is ambiguous: {count} match"))
            .help("give the whole uuid, or the id")),
    }
}

/// The error for an answer without the row that was looked for.
fn not_there(kind: ErrorKind, sought: &str, reply: &Reply) -> Error {
    about(reply, kind, format!("{sought} not found"))
        .help("check the name; what a key may not read looks like what is not there")
}

/// An error that an answer with a success status amounts to.
pub(crate) fn about(reply: &Reply, kind: ErrorKind, text: String) -> Error {
    Error::new(kind, text).operation(reply.operation.clone()).with_status(reply.status).sent(true)
}

macro_rules! read_request {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Nothing is sent before `.await`. `R` is the resource, `T` the type its rows are decoded into.
        #[must_use = "nothing is sent before `.await`"]
        pub struct $name<R, T = R> {
            read: Read,
            types: PhantomData<fn() -> (R, T)>,
        }

        impl<R: Resource, T> $name<R, T> {
            pub(crate) fn new(core: &Arc<Core>, target: impl Future<Output = Result<Target>> + Send + 'static) -> Self {
                let read = Read { core: core.clone(), target: Box::pin(target), options: Ok(Query::new()) };
                Self { read, types: PhantomData }
            }

            /// These columns only. They replace those that the function asks for by itself.
            pub fn select<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
                let names: Vec<String> = names.into_iter().map(Into::into).collect();
                self.read.change(|options| options.select(names));
                self
            }

            /// Brings along what a navigation leads to.
            pub fn expand(mut self, expand: impl Expandable<R>) -> Self {
                self.read.change(|options| options.expand(expand));
                self
            }

            /// Only rows for which this holds, besides what the function filters by itself.
            pub fn filter(mut self, filter: Filter<R>) -> Self {
                self.read.change(|options| options.filter(filter));
                self
            }

            /// Options in the SDKs' form: `json!({"$select": …, "$filter": {…}})`.
            pub fn options(mut self, options: &Value) -> Self {
                self.read.options =
                    self.read.options.and_then(|known| known.merge(Query::from_json(options)?));
                self
            }

            /// Decodes into a type of your own.
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
    /// `is_not_found` when there is none, `is_ambiguous` when there are several.
    Get
}

read_request! {
    /// A request for a list of rows.
    List
}

read_request! {
    /// A request for the first row of a list, `None` when the list is empty.
    First
}

impl<R: Resource, T> Get<R, T> {
    /// Without the restriction that the function has by default.
    pub(crate) fn unrestricted(mut self) -> Self {
        self.read.lift_restriction();
        self
    }
}

impl<R: Resource, T> List<R, T> {
    /// Without the restriction that the function has by default.
    pub(crate) fn unrestricted(mut self) -> Self {
        self.read.lift_restriction();
        self
    }

    pub(super) fn into_parts(self) -> (Arc<Core>, BoxFuture<'static, Result<Target>>, Result<Query>) {
        (self.read.core, self.read.target, self.read.options)
    }

    /// In this order; several are told in turn.
    pub fn order_by(mut self, order: Order<R>) -> Self {
        self.read.change(|options| options.order_by(order));
        self
    }

    /// At most so many rows.
    pub fn top(mut self, rows: u64) -> Self {
        self.read.change(|options| options.top(rows));
        self
    }

    /// Leaves out so many rows at the beginning.
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
            self.read.no_count()?;
            self.read.send().await?.one()
        })
    }
}

impl<R: Resource, T: DeserializeOwned + Send + 'static> IntoFuture for List<R, T> {
    type Output = Result<Vec<T>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Vec<T>>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            self.read.no_count()?;
            self.read.send().await?.rows()
        })
    }
}

impl<R: Resource, T: DeserializeOwned + Send + 'static> IntoFuture for First<R, T> {
    type Output = Result<Option<T>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Option<T>>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            self.read.no_count()?;
            Ok(self.read.send().await?.rows()?.into_iter().next())
        })
    }
}
