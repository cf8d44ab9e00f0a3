//! Writes that look whether they found what they were for: the server answers 200 whether they did or not.

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
use super::write::Rows;

type Work = Box<dyn FnOnce(Writer) -> BoxFuture<'static, Result<()>> + Send>;

/// A request that changes or removes a row. Nothing is sent before `.await`.
///
/// The server answers a change of a row that is not there, or that the token may not change, as it answers any
/// other: with 200. So `Ok` says that the server took the request; [`confirm`](Self::confirm) says that it did
/// something.
///
/// Dropping it cancels it; what was already sent may still happen.
#[must_use = "nothing is sent before `.await`"]
pub struct Write {
    core: Arc<Core>,
    confirm: bool,
    work: Work,
}

impl Write {
    pub(crate) fn new<F>(core: &Arc<Core>, work: impl FnOnce(Writer) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        Self { core: core.clone(), confirm: false, work: Box::new(|writer| Box::pin(work(writer))) }
    }

    /// Refused before anything is sent, for this reason.
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

    /// Reads the row after the change (before and after a removal), one request each.
    ///
    /// # Errors
    /// `is_not_found` when the row is not there, when the token does not see it, and when it has not changed
    /// although the server said so: then the token may not change it.
    pub fn confirm(self) -> Self {
        Self { confirm: true, ..self }
    }
}

impl IntoFuture for Write {
    type Output = Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        (self.work)(Writer::new(&self.core, self.confirm))
    }
}

impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write").field("confirm", &self.confirm).finish_non_exhaustive()
    }
}

/// Changes and removes rows, and looks what came of it where that is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    core: Arc<Core>,
    confirm: bool,
}

impl Writer {
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
    /// Those of the request; when it looks, `is_not_found` for what was not changed.
    pub(crate) async fn change(&self, resource: &str, which: &Rows, body: &Value) -> Result<()> {
        self.core.change(resource, which, body).await?;
        if !self.confirm {
            return Ok(());
        }
        let found = self.look(resource, which, body).await.map_err(not_looked)?;
        if found.is_empty() {
            return Err(nothing(name(resource, which)));
        }
        match found.iter().find_map(|row| difference(body, row)) {
            Some(reads) => Err(unchanged(name(resource, which), &reads)),
            None => Ok(()),
        }
    }

    /// Removes rows, as [`Core::delete`].
    ///
    /// # Errors
    /// Those of the request; when it looks, `is_not_found` for what was not there, or is there still.
    pub(crate) async fn delete(&self, resource: &str, which: &Rows) -> Result<()> {
        if self.confirm && self.look(resource, which, &Value::Null).await?.is_empty() {
            return Err(nothing(name(resource, which)).help("nothing was removed"));
        }
        self.core.delete(resource, which).await?;
        if self.confirm && !self.look(resource, which, &Value::Null).await.map_err(not_looked)?.is_empty() {
            return Err(still_there(name(resource, which)));
        }
        Ok(())
    }

    /// The rows as they are now, with the columns of this body.
    async fn look(&self, resource: &str, which: &Rows, body: &Value) -> Result<Vec<Value>> {
        let (key, query) = match which {
            Rows::Key(key) => (Some(key), Query::new()),
            Rows::Where(query) => (None, query.clone()),
        };
        let reply = self.core.read(resource, key, &query.select(["id"]).select(columns(body))).await?;
        rows(&reply)
    }
}

/// What a write is for, as its address has it: `device(5)`.
fn name(resource: &str, which: &Rows) -> String {
    match which {
        Rows::Key(key) => Query::new()
            .address(resource, Some(key))
            .map_or_else(|_| resource.to_owned(), |address| address.path().to_owned()),
        Rows::Where(_) => resource.to_owned(),
    }
}

/// The columns that a change sets.
pub(crate) fn columns(body: &Value) -> impl Iterator<Item = String> {
    body.as_object().into_iter().flat_map(|body| body.keys().cloned())
}

fn not_looked(error: Error) -> Error {
    error.help("the server took the change; only the look whether it did anything failed")
}

/// What a look did not find.
pub(crate) fn nothing(what: impl fmt::Display) -> Error {
    let text = format!("{what} not found: there is no such row, or this token does not see it");
    Error::new(ErrorKind::NotFound, text).sent(true)
}

/// What a look found as it was before.
pub(crate) fn unchanged(what: impl fmt::Display, reads: &str) -> Error {
    let text = format!("the server took the change of {what} and changed nothing: {reads}");
    Error::new(ErrorKind::NotFound, text)
        .sent(true)
        .help("this token may not change it, or something else did since")
}

/// What is there after it was removed.
pub(crate) fn still_there(what: impl fmt::Display) -> Error {
    let text = format!("the server took the removal of {what} and removed nothing");
    Error::new(ErrorKind::NotFound, text).sent(true).help("this token may not remove it")
}

/// What a row has in a column that was set to something else, in words. A value is not shown: it may be a secret.
pub(crate) fn difference(body: &Value, row: &Value) -> Option<String> {
    let set = body.as_object()?.iter();
    let mut differ = set.filter(|(column, sent)| {
        row.get(column).is_some_and(|found| !is_same(sent, found) && !is_same_coordinate(column, sent, found))
    });
    differ.next().map(|(column, _)| format!("`{column}` has another value"))
}

/// Whether what was sent is what is read, in whichever of its forms.
fn is_same(sent: &Value, found: &Value) -> bool {
    let is_empty = |value: &Value| value.is_null() || value == "";
    match (sent, found) {
        // A list of columns, a file: what is read of it has another form.
        (Value::Object(_) | Value::Array(_), _) => true,
        (_, Value::Object(reference)) => reference.get("__id").is_none_or(|id| is_same(sent, id)),
        (_, Value::Array(expanded)) => {
            expanded.first().and_then(|row| row.get("id")).is_none_or(|id| is_same(sent, id))
        }
        (Value::Bool(sent), Value::Number(number)) => number.as_i64() == Some(i64::from(*sent)),
        _ if is_empty(sent) && is_empty(found) => true,
        _ if sent == found => true,
        // A name "1" is not a name "1.0": of two texts only times have several forms.
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

/// Latitudes and longitudes are text with a number in it.
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

/// Milliseconds of the epoch, or the text of a time.
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
