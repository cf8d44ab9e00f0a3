//! Creating, changing and deleting rows of any resource.

use http::Method;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::http::MultipartForm;
use crate::json;
use crate::maps::collect_unsorted;
use crate::odata::{Filter, Key, Query};

use super::json_request::decode_error;
use super::schema::Resource;

/// The rows that a write applies to. There is no variant for all rows.
#[derive(Debug)]
pub(crate) enum RowSelector {
    /// The row with this key.
    Key(Key),
    /// The rows that match the filter.
    Where(Query),
}

impl RowSelector {
    pub(crate) fn id(id: i64) -> Self {
        Self::Key(Key::id(id))
    }

    pub(crate) fn filter<R>(filter: Filter<R>) -> Self {
        Self::Where(Query::new().filter(filter))
    }
}

impl Core {
    /// Creates a row and returns it (`POST /v6/<resource>`).
    pub(crate) async fn create<R: Resource, T: DeserializeOwned>(&self, body: &Value) -> Result<T> {
        let response = self.post(R::NAME, body).await?;
        json::decode(&response.body).map_err(|cause| decode_error(&response, &cause))
    }

    /// Creates a row from a multipart form with files, and returns it.
    pub(crate) async fn create_by_form<R: Resource, T: DeserializeOwned>(
        &self,
        form: MultipartForm,
    ) -> Result<T> {
        let response =
            self.send_resource_form(Method::POST, &Query::new().address(R::NAME, None)?, form).await?;
        json::decode(&response.body).map_err(|cause| decode_error(&response, &cause))
    }

    async fn post(&self, resource: &str, body: &Value) -> Result<crate::http::BufferedResponse> {
        let address = Query::new().address(resource, None)?;
        self.send_resource(Method::POST, &address, Some(body), false).await
    }

    /// Changes columns of rows (`PATCH`). Succeeds even if no row matches: the API does not report it.
    pub(crate) async fn change(&self, resource: &str, rows: &RowSelector, body: &Value) -> Result<()> {
        self.write(Method::PATCH, resource, rows, Some(body)).await
    }

    /// Deletes rows (`DELETE`). Succeeds even if no row matches: the API does not report it.
    pub(crate) async fn delete(&self, resource: &str, rows: &RowSelector) -> Result<()> {
        self.write(Method::DELETE, resource, rows, None).await
    }

    async fn write(
        &self,
        method: Method,
        resource: &str,
        rows: &RowSelector,
        body: Option<&Value>,
    ) -> Result<()> {
        let address = match rows {
            RowSelector::Key(key) => Query::new().address(resource, Some(key))?,
            RowSelector::Where(query) => query.address(resource, None)?,
        };
        if matches!(rows, RowSelector::Where(_)) && address.query().is_empty() {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("without a filter this would apply to every {resource}"),
            ));
        }
        // Setting columns and deleting are idempotent.
        self.send_resource(method, &address, body, true).await.map(drop)
    }

    /// Creates a row, or changes the existing row with this natural key: `POST`, and after a conflict (409, "must be
    /// unique") `PATCH` of the rows with the key's columns.
    pub(crate) async fn upsert(
        &self,
        resource: &str,
        natural_key: &[(&'static str, Value)],
        body: &[(&'static str, Value)],
    ) -> Result<()> {
        let fields = |fields: &[(&'static str, Value)]| -> Map<String, Value> {
            collect_unsorted(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())))
        };
        let mut whole = fields(natural_key);
        whole.extend(fields(body));
        match self.post(resource, &Value::Object(whole)).await {
            Ok(_) => Ok(()),
            Err(error)
                if error.is_conflict()
                    && error.body().is_some_and(|words| words.to_lowercase().contains("unique")) =>
            {
                let rows = RowSelector::Where(natural_filter(natural_key)?);
                self.change(resource, &rows, &Value::Object(fields(body))).await
            }
            Err(error) => Err(error),
        }
    }
}

/// Returns the filter for rows with these values in these columns.
pub(crate) fn natural_filter(key: &[(&'static str, Value)]) -> Result<Query> {
    let conditions: Vec<Value> =
        key.iter().map(|(name, value)| serde_json::json!({ *name: value })).collect();
    Query::from_json(&serde_json::json!({ "$filter": { "$and": conditions } }))
}
