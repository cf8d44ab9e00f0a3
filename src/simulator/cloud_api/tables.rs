//! The rows of the cloud.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::schema::Resource;

/// A row: values by column. A reference is `{"__id": id}`.
pub(super) type Row = Map<String, Value>;

/// The rows of all resources.
#[derive(Debug, Default)]
pub(in crate::simulator) struct Tables {
    rows: BTreeMap<&'static str, Vec<Row>>,
}

/// Returns the reference to a row.
pub(super) fn reference(id: impl Into<Value>) -> Value {
    json!({ "__id": id.into() })
}

/// Returns the id of a reference, or the value itself.
pub(super) fn plain(value: &Value) -> &Value {
    value.get("__id").unwrap_or(value)
}

impl Tables {
    pub(super) fn all(&self, resource: &Resource) -> &[Row] {
        self.rows.get(resource.name).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn of(&self, resource: &str) -> &[Row] {
        self.rows.get(resource).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn clear(&mut self, resource: &'static str) {
        self.rows.remove(resource);
    }

    /// Adds a row, which gets the next id unless it has one. Columns without a value are null.
    pub(super) fn add(&mut self, resource: &'static str, values: &Value) -> Row {
        let rows = self.rows.entry(resource).or_default();
        let ids = rows.iter().filter_map(|row| row.get("id").and_then(Value::as_i64));
        let id = ids.max().unwrap_or_default() + 1;
        let now = format!("{:.3}", jiff::Timestamp::now());
        let mut row = Row::from_iter([
            ("id".to_owned(), id.into()),
            ("created_at".to_owned(), now.clone().into()),
            ("modified_at".to_owned(), now.into()),
        ]);
        let columns = Resource::find(resource).map(|found| found.columns).unwrap_or_default();
        row.extend(columns.iter().map(|column| ((*column).to_owned(), Value::Null)));
        row.extend(values.as_object().cloned().unwrap_or_default());
        rows.push(row.clone());
        row
    }

    /// Changes columns of the rows that match. Returns how many.
    pub(super) fn change(&mut self, resource: &'static str, ids: &[i64], values: &Row) -> usize {
        let now = format!("{:.3}", jiff::Timestamp::now());
        let rows = self.rows.entry(resource).or_default();
        let matching = rows.iter_mut().filter(|row| has_id(row, ids));
        let changed = matching.map(|row| {
            row.extend(values.clone());
            row.insert("modified_at".to_owned(), now.clone().into());
        });
        changed.count()
    }

    pub(super) fn remove(&mut self, resource: &'static str, ids: &[i64]) {
        self.rows.entry(resource).or_default().retain(|row| !has_id(row, ids));
    }
}

fn has_id(row: &Row, ids: &[i64]) -> bool {
    row.get("id").and_then(Value::as_i64).is_some_and(|id| ids.contains(&id))
}
