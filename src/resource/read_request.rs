//! The requests that read rows: [`Get`], [`List`] and [`First`], with the caller's options.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::core::Core;
use crate::error::{Error, Result};
use crate::http::BoxFuture;
use crate::odata::{Expandable, Filter, Order, Query};

use super::read::{ReadResponse, ReadTarget};
use super::schema::Resource;

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
