//! Looks up the rows of a batch's keys, in several requests, before anything is changed.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;

use serde::de::DeserializeOwned;

use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::http::BufferedResponse;
use crate::odata::{Column, LiteralOf, Order, Query};
use crate::resource::json_request::required;
use crate::resource::read::{response_error, rows};
use crate::resource::schema::Resource;

use super::BatchKey;
use super::in_flight::InFlight;
use super::plan::RunOptions;

/// How a key of a batch identifies its row.
pub(crate) enum KeyColumn {
    Id(i64),
    /// By the value of this column.
    By(&'static str, String),
}

/// A resource whose rows a batch can look up.
pub(crate) trait BatchResource: Resource {
    type Key: BatchKey;

    /// The column by which the SDKs order such a list.
    const ORDER: &'static str;

    /// # Errors
    /// `is_invalid_argument` if the key can't be part of a list.
    fn named(key: &Self::Key) -> Result<KeyColumn>;

    fn id(&self) -> Option<i64>;

    /// Returns the value of a column that identifies rows.
    fn name(&self, column: &'static str) -> Option<String>;
}

/// Parameters of a look-up.
#[derive(Debug)]
pub(crate) struct LookUpOptions {
    /// Columns to read besides the id and the identifying column.
    pub(crate) columns: Query,
    /// The batch is for one row given by its key: it is requested as one.
    pub(crate) single: bool,
    /// Number of keys in one request.
    pub(crate) chunk_size: usize,
}

/// Result of a look-up. Keeps only the needed columns, since there may be thousands of rows.
#[derive(Default)]
pub(crate) struct LookUpResult {
    /// The rows, in the order of the responses.
    pub(crate) rows: Vec<ListRow>,
    /// Keys without a usable row (none, several, or refused), by index, with the error.
    pub(crate) missing: Vec<(Vec<usize>, Error)>,
}

/// A row of a batch.
pub(crate) struct ListRow {
    pub(crate) id: i64,
    pub(crate) group: Option<i64>,
    /// Indexes of its keys in the list.
    pub(crate) items: Vec<usize>,
}

/// Returns the group of a row, if rows are grouped.
///
/// # Errors
/// An error excludes the row.
pub(crate) type GroupOf<'a, R> = &'a (dyn Fn(&R) -> Result<Option<i64>> + Sync);

/// Identifying values, with their indexes in the list.
type Places<T> = Vec<(usize, T)>;

/// Looks up rows by the values of one column.
///
/// # Errors
/// The errors of the requests.
pub(crate) async fn look_up<R: BatchResource, T>(
    core: &Core,
    column: Column<R, T>,
    value: fn(&R, &'static str) -> Option<T>,
    names: Places<T>,
    group: GroupOf<'_, R>,
    search: &LookUpOptions,
    run_options: &RunOptions<'_>,
) -> Result<LookUpResult>
where
    T: LiteralOf<T> + Clone + Eq + Hash + fmt::Display + Send + Sync,
{
    let mut parts = names.chunks(search.chunk_size).enumerate();
    let mut in_flight = InFlight::new();
    let mut answers: Vec<(usize, LookUpResult)> = Vec::new();
    loop {
        while in_flight.len() < run_options.concurrency {
            let Some((number, names)) = parts.next() else { break };
            let query = query(&column, names, search);
            let column = column.name();
            let ask = async move {
                let ask = || core.read(R::NAME, None, &query);
                let response = run_options.rate_limit_wait.retry(run_options.clock, ask).await?;
                let name = |row: &R| {
                    if search.single {
                        names.first().map(|(_, name)| name.clone())
                    } else {
                        value(row, column)
                    }
                };
                assign(&response, rows(&response)?, names, name, group)
            };
            in_flight.push(number, Box::pin(ask));
        }
        let Some((number, found)) = in_flight.next().await else { break };
        answers.push((number, found?));
    }
    answers.sort_unstable_by_key(|(number, _)| *number);
    let mut all = LookUpResult::default();
    for (_, found) in answers {
        all.rows.extend(found.rows);
        all.missing.extend(found.missing);
    }
    Ok(all)
}

fn query<R: BatchResource, T: LiteralOf<T> + Clone>(
    column: &Column<R, T>,
    names: &[(usize, T)],
    search: &LookUpOptions,
) -> Query {
    let query = search.columns.clone().select(["id"]);
    let by_name: Order<R> = Column::<R, String>::new(R::ORDER).asc();
    let query = match names {
        [(_, name)] if search.single => query.filter(column.eq(name.clone())),
        _ => query.select([column.name()]).filter(column.is_in(names.iter().map(|(_, name)| name.clone()))),
    };
    query.order_by(by_name)
}

/// Assigns the rows to the indexes of the list.
fn assign<R: BatchResource + DeserializeOwned, T: Clone + Eq + Hash + fmt::Display>(
    response: &BufferedResponse,
    rows: Vec<R>,
    names: &[(usize, T)],
    name: impl Fn(&R) -> Option<T>,
    group: GroupOf<'_, R>,
) -> Result<LookUpResult> {
    let mut places: HashMap<&T, Vec<usize>> = HashMap::new();
    for (item, name) in names {
        places.entry(name).or_default().push(*item);
    }
    let mut times: HashMap<T, usize> = HashMap::new();
    for row in &rows {
        *times.entry(name(row).ok_or_else(|| absent(response))?).or_default() += 1;
    }
    let mut found = LookUpResult::default();
    for (item, name) in names {
        let (kind, what) = match times.get(name) {
            Some(1) => continue,
            Some(_) => (ErrorKind::Ambiguous, "is ambiguous"),
            None => (ErrorKind::NotFound, "not found"),
        };
        // The status belongs to the request for the list, not to the missing row.
        let error =
            Error::new(kind, format!("{} {name} {what}", R::NOUN)).with_operation(response.operation.clone());
        found.missing.push((vec![*item], error.with_sent(true)));
    }
    for row in rows {
        let name = name(&row).ok_or_else(|| absent(response))?;
        // Ignores rows that were not requested.
        let Some(items) = places.remove(&name).filter(|_| times.get(&name) == Some(&1)) else { continue };
        match group(&row) {
            Ok(group) => found.rows.push(ListRow { id: required(row.id(), "id")?, group, items }),
            Err(error) => found.missing.push((items, error)),
        }
    }
    Ok(found)
}

fn absent(response: &BufferedResponse) -> Error {
    response_error(response, ErrorKind::Decode, "a row has no name".to_owned())
        .with_help("check that the token may read it: the API omits what a key may not read")
}
