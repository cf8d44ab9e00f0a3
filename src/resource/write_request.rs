//! Writes with an optional check of their effect: the API answers 200 whether rows matched or not.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::http::BoxFuture;
use crate::odata::Query;

use super::read::rows;
use super::write::RowSelector;

type SendFn = Box<dyn FnOnce(RowWriter) -> BoxFuture<'static, Result<()>> + Send>;

/// A request that changes or deletes a row. Nothing is sent before `.await`.
///
/// The API answers 200 even if the row does not exist or the token may not change it, so `Ok` means that the API
/// accepted the request. With [`confirm`](Self::confirm), `Ok` means that it had its effect.
///
/// Dropping it cancels it; a request that was already sent may still have its effect.
#[must_use = "nothing is sent before `.await`"]
pub struct WriteRequest {
    core: Arc<Core>,
    confirm: bool,
    work: SendFn,
}

impl WriteRequest {
    pub(crate) fn new<F>(core: &Arc<Core>, work: impl FnOnce(RowWriter) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        Self { core: core.clone(), confirm: false, work: Box::new(|writer| Box::pin(work(writer))) }
    }

    /// Makes `.await` return the error of a check, if it has one, before anything is sent.
    pub(crate) fn checked(self, check: Result<()>) -> Self {
        let work = self.work;
        Self {
            work: Box::new(move |writer| match check {
                Ok(()) => work(writer),
                Err(error) => Box::pin(async { Err(error) }),
            }),
            ..self
        }
    }

    /// Reads the row after the change, or before and after the deletion, with one request each, to check the effect.
    ///
    /// # Errors
    /// `is_not_found` if the row does not exist, the token can't read it, or it did not change although the API
    /// accepted the change: the token may not change it.
    pub fn confirm(self) -> Self {
        Self { confirm: true, ..self }
    }
}

impl IntoFuture for WriteRequest {
    type Output = Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        (self.work)(RowWriter::new(&self.core, self.confirm))
    }
}

impl fmt::Debug for WriteRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write").field("confirm", &self.confirm).finish_non_exhaustive()
    }
}

/// Changes and deletes rows, and checks the effect if requested.
#[derive(Debug, Clone)]
pub(crate) struct RowWriter {
    core: Arc<Core>,
    confirm: bool,
}

impl RowWriter {
    pub(crate) fn new(core: &Arc<Core>, confirm: bool) -> Self {
        Self { core: core.clone(), confirm }
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    pub(crate) fn confirms(&self) -> bool {
        self.confirm
    }

    /// Changes columns of rows, as [`Core::change`].
    ///
    /// # Errors
    /// The errors of the request; with the check, `is_not_found` for rows that did not change.
    pub(crate) async fn change(&self, resource: &str, which: &RowSelector, body: &Value) -> Result<()> {
        self.core.change(resource, which, body).await?;
        if !self.confirm {
            return Ok(());
        }
        let found = self.read_back(resource, which, body).await.map_err(not_confirmed)?;
        if found.is_empty() {
            return Err(no_row_error(name(resource, which)));
        }
        match found.iter().find_map(|row| difference(body, row)) {
            Some(reads) => Err(unchanged_error(name(resource, which), &reads)),
            None => Ok(()),
        }
    }

    /// Deletes rows, as [`Core::delete`].
    ///
    /// # Errors
    /// The errors of the request; with the check, `is_not_found` for rows that did not exist or still do.
    pub(crate) async fn delete(&self, resource: &str, which: &RowSelector) -> Result<()> {
        if self.confirm && self.read_back(resource, which, &Value::Null).await?.is_empty() {
            return Err(no_row_error(name(resource, which)).with_help("nothing was removed"));
        }
        self.core.delete(resource, which).await?;
        if self.confirm
            && !self.read_back(resource, which, &Value::Null).await.map_err(not_confirmed)?.is_empty()
        {
            return Err(not_removed_error(name(resource, which)));
        }
        Ok(())
    }

    /// Reads the rows, with the columns of the body.
    async fn read_back(&self, resource: &str, which: &RowSelector, body: &Value) -> Result<Vec<Value>> {
        let (key, query) = match which {
            RowSelector::Key(key) => (Some(key), Query::new()),
            RowSelector::Where(query) => (None, query.clone()),
        };
        let response =
            self.core.read(resource, key, &query.select(["id"]).select(column_names(body))).await?;
        rows(&response)
    }
}

/// Returns the rows of a write as their address names them: `device(5)`.
fn name(resource: &str, which: &RowSelector) -> String {
    match which {
        RowSelector::Key(key) => Query::new()
            .address(resource, Some(key))
            .map_or_else(|_| resource.to_owned(), |address| address.path().to_owned()),
        RowSelector::Where(_) => resource.to_owned(),
    }
}

/// Returns the columns that a change sets.
pub(crate) fn column_names(body: &Value) -> impl Iterator<Item = String> {
    body.as_object().into_iter().flat_map(|body| body.keys().cloned())
}

fn not_confirmed(error: Error) -> Error {
    error.with_help("the API accepted the change; only the check of its effect failed")
}

/// Builds the error of a row that does not exist.
pub(crate) fn no_row_error(what: impl fmt::Display) -> Error {
    let text = format!("{what} not found: there is no such row, or this token does not see it");
    Error::new(ErrorKind::NotFound, text).with_sent(true)
}

/// Builds the error of a row that did not change.
pub(crate) fn unchanged_error(what: impl fmt::Display, reads: &str) -> Error {
    let text = format!("the API accepted the change of {what} but changed nothing: {reads}");
    Error::new(ErrorKind::NotFound, text)
        .with_sent(true)
        .with_help("this token may not change it, or another change followed")
}

/// Builds the error of a row that still exists after its deletion.
pub(crate) fn not_removed_error(what: impl fmt::Display) -> Error {
    let text = format!("the API accepted the removal of {what} but removed nothing");
    Error::new(ErrorKind::NotFound, text).with_sent(true).with_help("this token may not remove it")
}

/// Describes a column whose value differs from the one set. Omits the values: they may be secret.
pub(crate) fn difference(body: &Value, row: &Value) -> Option<String> {
    let set = body.as_object()?.iter();
    let mut differ = set.filter(|(column, sent)| {
        row.get(column).is_some_and(|found| !is_same(sent, found) && !is_same_coordinate(column, sent, found))
    });
    differ.next().map(|(column, _)| format!("`{column}` has another value"))
}

/// Returns whether the value read equals the value sent, in any of its forms.
fn is_same(sent: &Value, found: &Value) -> bool {
    let is_empty = |value: &Value| value.is_null() || value == "";
    match (sent, found) {
        // The API returns lists of columns and files in another form.
        (Value::Object(_) | Value::Array(_), _) => true,
        (_, Value::Object(reference)) => reference.get("__id").is_none_or(|id| is_same(sent, id)),
        (_, Value::Array(expanded)) => {
            expanded.first().and_then(|row| row.get("id")).is_none_or(|id| is_same(sent, id))
        }
        (Value::Bool(sent), Value::Number(number)) => number.as_i64() == Some(i64::from(*sent)),
        _ if is_empty(sent) && is_empty(found) => true,
        _ if sent == found => true,
        // Of texts, only times have several forms: a name "1" is not a name "1.0".
        (Value::String(_), Value::String(_)) => is_same_time(sent, found),
        _ => is_same_number(sent, found) || is_same_time(sent, found),
    }
}

fn is_same_number(sent: &Value, found: &Value) -> bool {
    number(sent).zip(number(found)).is_some_and(|(sent, found)| (sent - found).abs() < 1e-9)
}

fn is_same_time(sent: &Value, found: &Value) -> bool {
    time(sent).is_some_and(|sent| time(found) == Some(sent))
}

/// Compares latitudes and longitudes as numbers: the API stores them as text.
fn is_same_coordinate(column: &str, sent: &Value, found: &Value) -> bool {
    (column.ends_with("latitude") || column.ends_with("longitude")) && is_same_number(sent, found)
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// Parses a time: milliseconds since 1970, or text.
fn time(value: &Value) -> Option<i64> {
    match value {
        Value::Number(milliseconds) => milliseconds.as_i64(),
        Value::String(text) => text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_is_known_in_whichever_form_it_is_read() {
        let cases = [
            (json!("n"), json!("n"), true),
            (json!("n"), json!("m"), false),
            (json!("n"), Value::Null, false),
            (json!(""), Value::Null, true),
            (Value::Null, json!(""), true),
            (Value::Null, json!("2024-06-15T12:00:00Z"), false),
            (json!(true), json!(true), true),
            (json!(true), json!(1), true),
            (json!(false), json!(true), false),
            (json!(5), json!({ "__id": 5 }), true),
            (json!(5), json!({ "__id": 6 }), false),
            (json!(5), json!([{ "id": 5 }]), true),
            (json!(5), json!([{ "id": 6 }]), false),
            (Value::Null, json!({ "__id": 6 }), false),
            (json!("1.0"), json!("1"), false),
            (json!("52.52"), json!(52.52), true),
            (json!(1_718_452_800_000_i64), json!("2024-06-15T12:00:00.000Z"), true),
            (json!(1_718_452_800_000_i64), json!("2024-06-15T12:00:01.000Z"), false),
            (json!("2024-06-15T12:00:00Z"), json!("2024-06-15T14:00:00+02:00"), true),
            (json!({ "a": 1 }), json!("x"), true),
        ];
        for (sent, found, same) in cases {
            let differs = difference(&json!({ "c": sent }), &json!({ "c": found }));
            assert_eq!(differs.is_none(), same, "{sent} {found}");
        }
        let coordinate = |text: &str| json!({ "custom_latitude": text });
        assert_eq!(difference(&coordinate("52.520"), &coordinate("52.52")), None);
        assert!(difference(&coordinate("52.520"), &coordinate("52.53")).is_some());
        assert_eq!(difference(&json!({ "c": 1 }), &json!({ "id": 1 })), None, "a column that is not told");
    }
}
