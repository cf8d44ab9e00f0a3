//! Tags and variables: named values of a parent row. All kinds share these functions.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::checks;
use crate::core::Core;
use crate::error::Result;
use crate::http::BoxFuture;
use crate::odata::Query;

use super::read::{ReadTarget, whole_rows};
use super::read_request::List;
use super::request::Request;
use super::schema::Resource;
use super::write::{RowSelector, natural_filter};
use super::write_request::WriteRequest;

/// A kind of named values: its parent and its key column.
pub trait KeyValueKind: Resource {
    /// Column of the key: `tag_key` or `name`.
    const KEY: &'static str;
    /// Navigation to the parent row.
    const PARENT: &'static str;
}

/// The caller's key of a parent row. Resolved to an id when the request is sent.
pub trait ParentKey: Clone + Send + Sync + 'static {
    /// Returns the parent's id. Requests it from the API if necessary.
    fn resolve(self, core: Arc<Core>) -> BoxFuture<'static, Result<i64>>;

    /// Reads the value locally, without the API. `None` if the parent does not support it.
    #[doc(hidden)]
    fn get_on_device(&self, _: &Arc<Core>, _: &str) -> Option<BoxFuture<'static, Result<Option<String>>>> {
        None
    }

    /// Sets the value locally, without the API. `None` if the parent does not support it.
    #[doc(hidden)]
    fn set_on_device(&self, _: &Arc<Core>, _: &str, _: &str) -> Option<BoxFuture<'static, Result<()>>> {
        None
    }
}

/// The functions of one kind of tags or variables.
pub struct KeyValue<P, R> {
    core: Arc<Core>,
    types: PhantomData<fn() -> (P, R)>,
}

impl<P, R> Clone for KeyValue<P, R> {
    fn clone(&self) -> Self {
        Self { core: self.core.clone(), types: PhantomData }
    }
}

impl<P, R> fmt::Debug for KeyValue<P, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyValue")
    }
}

impl<P: ParentKey, R: KeyValueKind> KeyValue<P, R> {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone(), types: PhantomData }
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Lists the values that match a filter in the SDKs' form, ordered by key.
    pub(crate) fn list(
        &self,
        filter: impl Future<Output = Result<Option<Value>>> + Send + 'static,
    ) -> List<R> {
        List::new(&self.core, async move {
            let mut options = json!({ "$orderby": { R::KEY: "asc" } });
            if let (Some(filter), Some(fields)) = (filter.await?, options.as_object_mut()) {
                fields.insert("$filter".into(), filter);
            }
            Ok(ReadTarget::list::<R>(Query::from_json(&options)?))
        })
    }

    /// Lists the values of one parent.
    pub(crate) fn of_parent(&self, parent: impl Into<P>) -> List<R> {
        let (core, parent) = (self.core.clone(), parent.into());
        self.list(async move { Ok(Some(json!({ R::PARENT: parent.resolve(core).await? }))) })
    }

    /// Returns the value of a key, or `None` if it has none.
    pub fn get(&self, parent: impl Into<P>, key: impl Into<String>) -> Request<Option<String>> {
        #[derive(Deserialize)]
        struct Row {
            value: Option<String>,
        }
        let (core, parent, key) = (self.core.clone(), parent.into(), key.into());
        Request::new(async move {
            check_key::<R>(&key)?;
            if let Some(here) = parent.get_on_device(&core, &key) {
                return here.await;
            }
            let id = parent.resolve(core.clone()).await?;
            let query = natural_filter(&[(R::PARENT, id.into()), (R::KEY, key.into())])?.select(["value"]);
            let response = core.read(R::NAME, None, &query).await?;
            Ok(whole_rows::<Row>(&response, &query)?.into_iter().next().and_then(|row| row.value))
        })
    }

    /// Sets the value of a key: creates or replaces it.
    ///
    /// # Errors
    /// `is_invalid_argument` if a tag's key contains white space, a variable's name is invalid, or the value exceeds
    /// the API's limit (tags 10,000 characters, variables 100,000).
    pub fn set(&self, parent: impl Into<P>, key: impl Into<String>, value: impl Into<String>) -> Request<()> {
        let (core, parent, key, value) = (self.core.clone(), parent.into(), key.into(), value.into());
        Request::new(async move {
            check::<R>(&key, &value)?;
            if let Some(here) = parent.set_on_device(&core, &key, &value) {
                return here.await;
            }
            let id = parent.resolve(core.clone()).await?;
            core.upsert(R::NAME, &[(R::PARENT, id.into()), (R::KEY, key.into())], &[("value", value.into())])
                .await
        })
    }

    /// Removes the value of a key. Succeeds even if it has none: the API does not report it.
    pub fn remove(&self, parent: impl Into<P>, key: impl Into<String>) -> WriteRequest {
        let (core, parent, key) = (self.core.clone(), parent.into(), key.into());
        WriteRequest::new(&self.core, move |writer| async move {
            check_key::<R>(&key)?;
            let id = parent.resolve(core.clone()).await?;
            let rows = RowSelector::Where(natural_filter(&[(R::PARENT, id.into()), (R::KEY, key.into())])?);
            writer.delete(R::NAME, &rows).await
        })
    }
}

/// Checks a key to read.
fn check_key<R: KeyValueKind>(key: &str) -> Result<()> {
    checks::non_empty(R::KEY, key)
}

/// Checks a key and a value to write.
pub(crate) fn check<R: KeyValueKind>(key: &str, value: &str) -> Result<()> {
    if R::KEY == "tag_key" {
        checks::tag_key(R::KEY, key)?;
        return checks::tag_value("value", value);
    }
    if R::NAME.ends_with("_config_variable") {
        checks::config_name(R::KEY, key)?;
    } else {
        checks::variable_name(R::KEY, key)?;
    }
    checks::variable_value("value", value)
}
