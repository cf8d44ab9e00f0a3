//! Queries of the rows, with the names of one version of the API.

use std::cmp::Ordering;

use serde_json::Value;

use super::odata::{Filter, Operator, Options, Path, Quantifier, TextFunction};
use super::schema::{Resource, Version};
use super::tables::{Row, Tables, plain};

/// A name that the resource does not have. The server answers 500 without a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UnknownName;

/// A row that a filter is applied to, and the rows of the filters around it.
#[derive(Clone, Copy)]
struct Scope<'s, 'a> {
    alias: &'s str,
    resource: &'static Resource,
    row: &'a Row,
    outer: Option<&'s Scope<'s, 'a>>,
}

/// The rows under the names of a version.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) tables: &'a Tables,
    pub(super) version: Version,
}

impl<'a> View<'a> {
    /// Returns the stored name of a column or navigation.
    fn stored<'n>(self, resource: &Resource, name: &'n str) -> &'n str {
        self.version.stored(resource, name)
    }

    fn column<'n>(self, resource: &Resource, name: &'n str) -> Result<&'n str, UnknownName> {
        let stored = self.stored(resource, name);
        if resource.has_column(stored) { Ok(stored) } else { Err(UnknownName) }
    }

    /// Returns a value in the version's form.
    fn written(self, column: &str, value: Value) -> Value {
        if column == "actor" && self.version == Version::V6 { plain(&value).clone() } else { value }
    }

    /// Returns all columns of a row.
    pub(super) fn whole(self, resource: &Resource, row: &Row) -> Row {
        let named = row.iter().filter_map(|(name, value)| {
            Some((self.version.shown(resource, name)?.to_owned(), self.written(name, value.clone())))
        });
        named.collect()
    }

    /// Returns the ids of the rows that match.
    pub(super) fn matching(
        self,
        resource: &'static Resource,
        filters: &[&Filter],
    ) -> Result<Vec<i64>, UnknownName> {
        let rows = self.filtered(resource, self.tables.all(resource).iter().collect(), filters)?;
        Ok(rows.iter().filter_map(|row| row.get("id").and_then(Value::as_i64)).collect())
    }

    /// Returns the rows that a query asks for, with `key` as a further filter.
    pub(super) fn query(
        self,
        resource: &'static Resource,
        key: Option<&Filter>,
        options: &Options,
    ) -> Result<Vec<Row>, UnknownName> {
        let filters: Vec<&Filter> = key.into_iter().chain(&options.filter).collect();
        let rows = self.filtered(resource, self.tables.all(resource).iter().collect(), &filters)?;
        self.shown(resource, rows, options)
    }

    fn filtered(
        self,
        resource: &'static Resource,
        rows: Vec<&'a Row>,
        filters: &[&Filter],
    ) -> Result<Vec<&'a Row>, UnknownName> {
        let mut found = Vec::new();
        for row in rows {
            let scope = Scope { alias: "", resource, row, outer: None };
            let mut fits = true;
            for filter in filters {
                fits = fits && self.holds(filter, &scope)?;
            }
            if fits {
                found.push(row);
            }
        }
        Ok(found)
    }

    fn shown(
        self,
        resource: &'static Resource,
        mut rows: Vec<&Row>,
        options: &Options,
    ) -> Result<Vec<Row>, UnknownName> {
        for (path, descending) in options.order.iter().rev() {
            let [column] = path.as_slice() else { return Err(UnknownName) };
            let column = self.column(resource, column)?;
            let by = |row: &&Row| row.get(column).cloned().unwrap_or_default();
            rows.sort_by(|one, other| {
                let order = compare(&by(one), &by(other)).unwrap_or(Ordering::Equal);
                if *descending { order.reverse() } else { order }
            });
        }
        let rows = rows.into_iter().skip(options.skip).take(options.top.unwrap_or(usize::MAX));
        rows.map(|row| self.shown_row(resource, row, options)).collect()
    }

    fn shown_row(
        self,
        resource: &'static Resource,
        row: &Row,
        options: &Options,
    ) -> Result<Row, UnknownName> {
        let mut shown = match &options.select {
            None => self.whole(resource, row),
            Some(columns) => {
                let mut selected = Row::new();
                for column in columns {
                    let value = row.get(self.column(resource, column)?).cloned().unwrap_or_default();
                    selected.insert(column.clone(), self.written(column, value));
                }
                selected
            }
        };
        for (name, inner) in &options.expand {
            let (target, rows) = self.related(resource, row, name)?;
            let filters: Vec<&Filter> = inner.filter.iter().collect();
            let rows = self.filtered(target, rows, &filters)?;
            let rows = self.shown(target, rows, inner)?;
            shown.insert(name.clone(), rows.into_iter().map(Value::Object).collect());
        }
        Ok(shown)
    }

    /// Returns the rows behind a navigation from a row.
    fn related(
        self,
        resource: &'static Resource,
        row: &Row,
        name: &str,
    ) -> Result<(&'static Resource, Vec<&'a Row>), UnknownName> {
        let stored = self.stored(resource, name);
        if let Some(target) = resource.reference(stored) {
            let id = row.get(stored).map(plain).cloned().unwrap_or_default();
            let fits = |other: &&Row| !id.is_null() && other.get("id") == Some(&id);
            return Ok((target, self.tables.all(target).iter().filter(fits).collect()));
        }
        let (other, column) = resource.referring(name).ok_or(UnknownName)?;
        let fits = |found: &&Row| found.get(column).map(plain) == row.get("id");
        Ok((other, self.tables.all(other).iter().filter(fits).collect()))
    }

    fn holds(self, filter: &Filter, scope: &Scope<'_, 'a>) -> Result<bool, UnknownName> {
        Ok(match filter {
            Filter::And(parts) => {
                parts.iter().try_fold(true, |before, part| Ok(self.holds(part, scope)? && before))?
            }
            Filter::Or(parts) => {
                parts.iter().try_fold(false, |before, part| Ok(self.holds(part, scope)? || before))?
            }
            Filter::Not(inner) => !self.holds(inner, scope)?,
            Filter::Compare { path, operator, value } => operator.holds(&self.value(path, scope)?, value),
            Filter::In { path, values } => {
                let value = self.value(path, scope)?;
                values.iter().any(|wanted| Operator::Equal.holds(&value, wanted))
            }
            Filter::Text { function, path, text } => {
                let value = self.value(path, scope)?;
                value.as_str().is_some_and(|value| match function {
                    TextFunction::StartsWith => value.starts_with(text),
                    TextFunction::EndsWith => value.ends_with(text),
                    TextFunction::Contains => value.contains(text),
                })
            }
            Filter::Related { path, quantifier, alias, condition } => {
                let (target, rows) = self.reached(path, scope)?;
                let mut results = Vec::new();
                for row in rows {
                    let inner = Scope { alias, resource: target, row, outer: Some(scope) };
                    results.push(self.holds(condition, &inner)?);
                }
                match quantifier {
                    Quantifier::Any => results.contains(&true),
                    Quantifier::All => !results.contains(&false),
                }
            }
            Filter::Count { path, operator, number } => {
                let (_, rows) = self.reached(path, scope)?;
                operator.holds(&rows.len().into(), number)
            }
        })
    }

    /// Returns the value at the end of a path: navigations, then a column.
    fn value(self, path: &Path, scope: &Scope<'_, 'a>) -> Result<Value, UnknownName> {
        let (column, navigations) = path.split_last().ok_or(UnknownName)?;
        if navigations.is_empty() {
            let column = self.column(scope.resource, column)?;
            return Ok(scope.row.get(column).map(plain).cloned().unwrap_or_default());
        }
        let (resource, rows) = self.reached(navigations, scope)?;
        let column = self.column(resource, column)?;
        Ok(rows.first().and_then(|row| row.get(column)).map(plain).cloned().unwrap_or_default())
    }

    /// Returns the rows at the end of a path of navigations, which may begin with an alias.
    fn reached(
        self,
        path: &[String],
        scope: &Scope<'_, 'a>,
    ) -> Result<(&'static Resource, Vec<&'a Row>), UnknownName> {
        let first = path.first().ok_or(UnknownName)?;
        let mut named = Some(scope);
        while let Some(candidate) = named.filter(|candidate| candidate.alias != first) {
            named = candidate.outer;
        }
        let (start, rest) = match named {
            Some(found) => (*found, path.get(1..).unwrap_or_default()),
            None => (*scope, path),
        };
        let (mut resource, mut rows) = (start.resource, vec![start.row]);
        for name in rest {
            let mut next = Vec::new();
            let mut target = resource
                .reference(self.stored(resource, name))
                .or_else(|| resource.referring(name).map(|(other, _)| other));
            for row in rows {
                let (found, more) = self.related(resource, row, name)?;
                target = Some(found);
                next.extend(more);
            }
            (resource, rows) = (target.ok_or(UnknownName)?, next);
        }
        Ok((resource, rows))
    }
}

fn compare(one: &Value, other: &Value) -> Option<Ordering> {
    match (plain(one), plain(other)) {
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        (Value::Bool(one), Value::Bool(other)) => Some(one.cmp(other)),
        (one, other) => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

impl Operator {
    fn holds(self, value: &Value, wanted: &Value) -> bool {
        let order = compare(value, wanted);
        match self {
            Self::Equal => value == wanted || order == Some(Ordering::Equal),
            Self::NotEqual => value != wanted && order != Some(Ordering::Equal),
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => order.is_some_and(Ordering::is_le),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
        }
    }
}
