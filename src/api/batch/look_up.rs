//! Which rows the keys of a list are: asked for some at a time, and all of them before anything is changed.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;

use serde::de::DeserializeOwned;

use crate::api::answer::told;
use crate::api::read::{about, rows};
use crate::api::resource::Resource;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::http::Reply;
use crate::odata::{Column, LiteralOf, Order, Query};

use super::BatchKey;
use super::flight::Flight;
use super::plan::Manner;

/// How a key of a list names its row.
pub(crate) enum Named {
    Id(i64),
    /// By this column.
    By(&'static str, String),
}

/// Rows that a list can name.
pub(crate) trait ListedRow: Resource {
    type Key: BatchKey;

    /// What the SDKs order such a list by.
    const ORDER: &'static str;

    /// # Errors
    /// `is_invalid_argument` for a key that can be in no list.
    fn named(key: &Self::Key) -> Result<Named>;

    fn id(&self) -> Option<i64>;

    /// What this row has in a column that names it.
    fn name(&self, column: &'static str) -> Option<String>;
}

/// What a list is asked for.
#[derive(Debug)]
pub(crate) struct Search {
    /// Besides the id and what it is named by.
    pub(crate) columns: Query,
    /// The list is one row, and that is asked for as one.
    pub(crate) single: bool,
    /// In one request.
    pub(crate) at_a_time: usize,
}

/// What was found: of each row no more than is needed, for there may be thousands.
#[derive(Default)]
pub(crate) struct Found {
    /// In the order of the answers.
    pub(crate) rows: Vec<Row>,
    /// Those that are not there, or there twice, or refused.
    pub(crate) missing: Vec<(Vec<usize>, Error)>,
}

/// A row of the list.
pub(crate) struct Row {
    pub(crate) id: i64,
    pub(crate) group: Option<i64>,
    /// Its places in the list.
    pub(crate) items: Vec<usize>,
}

/// The group of a row, where rows are grouped.
///
/// # Errors
/// It is refused.
pub(crate) type GroupOf<'a, R> = &'a (dyn Fn(&R) -> Result<Option<i64>> + Sync);

/// Names of rows with their places in the list.
type Places<T> = Vec<(usize, T)>;

/// Looks up rows by one column.
///
/// # Errors
/// Those of the requests.
pub(crate) async fn look_up<R: ListedRow, T>(
    core: &Core,
    column: Column<R, T>,
    value: fn(&R, &'static str) -> Option<T>,
    names: Places<T>,
    group: GroupOf<'_, R>,
    search: &Search,
    manner: &Manner<'_>,
) -> Result<Found>
where
    T: LiteralOf<T> + Clone + Eq + Hash + fmt::Display + Send + Sync,
{
    let mut parts = names.chunks(search.at_a_time).enumerate();
    let mut flight = Flight::new();
    let mut answers: Vec<(usize, Found)> = Vec::new();
    loop {
        while flight.len() < manner.concurrency {
            let Some((number, names)) = parts.next() else { break };
            let query = query(&column, names, search);
            let column = column.name();
            let ask = async move {
                let ask = || core.read(R::NAME, None, &query);
                let reply = manner.patience.ask(manner.clock, ask).await?;
                let name = |row: &R| {
                    if search.single {
                        names.first().map(|(_, name)| name.clone())
                    } else {
                        value(row, column)
                    }
                };
                assign(&reply, rows(&reply)?, names, name, group)
            };
            flight.push(number, Box::pin(ask));
        }
        let Some((number, found)) = flight.next().await else { break };
        answers.push((number, found?));
    }
    answers.sort_unstable_by_key(|(number, _)| *number);
    let mut all = Found::default();
    for (_, found) in answers {
        all.rows.extend(found.rows);
        all.missing.extend(found.missing);
    }
    Ok(all)
}

fn query<R: ListedRow, T: LiteralOf<T> + Clone>(
    column: &Column<R, T>,
    names: &[(usize, T)],
    search: &Search,
) -> Query {
    let query = search.columns.clone().select(["id"]);
    let by_name: Order<R> = Column::<R, String>::new(R::ORDER).asc();
    let query = match names {
        [(_, name)] if search.single => query.filter(column.eq(name.clone())),
        _ => query.select([column.name()]).filter(column.is_in(names.iter().map(|(_, name)| name.clone()))),
    };
    query.order_by(by_name)
}

/// Which place in the list each row has.
fn assign<R: ListedRow + DeserializeOwned, T: Clone + Eq + Hash + fmt::Display>(
    reply: &Reply,
    rows: Vec<R>,
    names: &[(usize, T)],
    name: impl Fn(&R) -> Option<T>,
    group: GroupOf<'_, R>,
) -> Result<Found> {
    let mut places: HashMap<&T, Vec<usize>> = HashMap::new();
    for (item, name) in names {
        places.entry(name).or_default().push(*item);
    }
    let mut times: HashMap<T, usize> = HashMap::new();
    for row in &rows {
        *times.entry(name(row).ok_or_else(|| absent(reply))?).or_default() += 1;
    }
    let mut found = Found::default();
    for (item, name) in names {
        let (kind, what) = match times.get(name) {
            Some(1) => continue,
            Some(_) => (ErrorKind::Ambiguous, "is ambiguous"),
            None => (ErrorKind::NotFound, "not found"),
        };
        // The status of the answer is that of the list, not of the one that is not in it.
        let error = Error::new(kind, format!("{} {name} {what}", R::NOUN)).operation(reply.operation.clone());
        found.missing.push((vec![*item], error.sent(true)));
    }
    for row in rows {
        let name = name(&row).ok_or_else(|| absent(reply))?;
        // What was not asked for is nobody's.
        let Some(items) = places.remove(&name).filter(|_| times.get(&name) == Some(&1)) else { continue };
        match group(&row) {
            Ok(group) => found.rows.push(Row { id: told(row.id(), "id")?, group, items }),
            Err(error) => found.missing.push((items, error)),
        }
    }
    Ok(found)
}

fn absent(reply: &Reply) -> Error {
    about(reply, ErrorKind::Decode, "a row has no name".to_owned())
        .help("may the token read it? What a key may not read is left out")
}
