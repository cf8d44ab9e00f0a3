//! Batch operations on rows of one resource, many rows per request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::OnceCell;

use crate::api::confirm::{Writer, columns, difference, nothing, still_there, unchanged};
use crate::api::read::rows as rows_of;
use crate::api::write::Rows;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::http::BoxFuture;
use crate::odata::{Column, Query};

use super::keys::Keys;
use super::look_up::{Found, GroupOf, ListedRow, Named, Row, Search, look_up};
use super::patience::Patience;
use super::plan::{Answered, Chunk, Group, Manner, Open, Operation, Plan, together};

/// A change whose values depend on the row: rows of one group get the same.
pub(crate) trait Grouped<R>: Send + Sync {
    /// Returns the columns that must be read of each row, besides its id.
    fn columns(&self) -> Query;

    /// Loads what is needed before the rows are read.
    fn prepare(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    /// Returns the group of a row.
    ///
    /// # Errors
    /// An error excludes the row from the change.
    fn group(&self, row: &R) -> Result<i64>;

    /// Returns the columns to set in the rows of a group. Called just before its first chunk is sent.
    fn values(&self, group: i64) -> BoxFuture<'_, Result<Value>>;
}

/// Sends the requests of one row, by its id.
type PerRow = Box<dyn Fn(i64) -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// The change of the rows.
pub(crate) enum Deed<R> {
    /// Sets these columns to these values.
    Set(Value),
    /// Deletes the rows.
    Delete,
    /// Sets columns to values that depend on the row.
    SetByGroup(Box<dyn Grouped<R>>),
    /// Sends other requests for each row.
    Each(PerRow),
}

/// A batch operation: a change of the rows of a list.
pub(crate) struct OfRows<R> {
    pub(crate) core: Arc<Core>,
    pub(crate) identity: Value,
    pub(crate) deed: Deed<R>,
    /// The batch is for one row given by its key: it is requested as one.
    pub(crate) single: bool,
}

/// The keys of a list, by how they identify their rows.
#[derive(Default)]
struct Sorted {
    ids: Vec<(usize, i64)>,
    /// Identifying values by column, with their indexes.
    names: Vec<(&'static str, Vec<(usize, String)>)>,
}

fn sorted<R: ListedRow>(keys: &[R::Key], open: &[Open]) -> Result<Sorted> {
    // Checks finished items too: a list is valid or invalid as a whole.
    let named = keys.iter().map(R::named).collect::<Result<Vec<Named>>>()?;
    let ids = named.iter().filter(|named| matches!(named, Named::Id(_))).count();
    if ids > 0 && ids < named.len() {
        return Err(Error::argument("list", "the list mixes ids and names"));
    }
    let mut sorted = Sorted::default();
    let mut open = open.iter().map(|open| open.item).peekable();
    for (item, named) in named.into_iter().enumerate() {
        if open.next_if_eq(&item).is_none() {
            continue;
        }
        match named {
            Named::Id(id) => sorted.ids.push((item, id)),
            Named::By(column, name) => match sorted.names.iter_mut().find(|(known, _)| *known == column) {
                Some((_, names)) => names.push((item, name)),
                None => sorted.names.push((column, vec![(item, name)])),
            },
        }
    }
    Ok(sorted)
}

impl<R: ListedRow + Sync> OfRows<R> {
    fn ids_at_a_time(&self) -> usize {
        match self.deed {
            Deed::Each(_) => 1,
            _ => self.core.settings().request_batching_chunk_size.ids.get(),
        }
    }

    async fn find(&self, sorted: Sorted, manner: &Manner<'_>) -> Result<Found> {
        let grouped = match &self.deed {
            Deed::SetByGroup(grouped) => Some(grouped),
            _ => None,
        };
        let columns = grouped.map_or_else(Query::new, |grouped| grouped.columns());
        let group = |row: &R| grouped.map(|grouped| grouped.group(row)).transpose();
        find(&self.core, sorted, columns, self.single, &group, manner).await
    }

    async fn made(&self, keys: &[R::Key], open: Vec<Open>, manner: &Manner<'_>) -> Result<Plan> {
        let sorted = sorted::<R>(keys, &open)?;
        if let Deed::SetByGroup(grouped) = &self.deed {
            manner.patience.ask(manner.clock, || grouped.prepare()).await?;
        }
        let by_ids = sorted.names.is_empty();
        let found = match &self.deed {
            // Whether the rows exist can only be checked before they are deleted.
            Deed::Delete if manner.confirm => self.find(sorted, manner).await?,
            // Ids are sent without a look-up.
            Deed::Set(_) | Deed::Delete | Deed::Each(_) if by_ids => {
                let row = |(item, id)| Row { id, group: None, items: vec![item] };
                Found { rows: sorted.ids.into_iter().map(row).collect(), missing: Vec::new() }
            }
            _ => self.find(sorted, manner).await?,
        };
        let mut plan = Plan { refused: found.missing, ..Plan::default() };
        if let Deed::Delete = self.deed {
            // An earlier run sent its deletion, and the row no longer exists.
            let unknown = |item: &usize| {
                let at = open.binary_search_by_key(item, |open| open.item).ok();
                at.and_then(|at| open.get(at)).is_some_and(|open| open.unknown)
            };
            let gone = plan
                .refused
                .extract_if(.., |(items, error)| error.is_not_found() && items.iter().all(unknown));
            plan.done = gone.flat_map(|(items, _)| items).collect();
        }
        let all_have_to_be_there = !by_ids || matches!(self.deed, Deed::SetByGroup(_));
        if !manner.keep_going && all_have_to_be_there && !plan.refused.is_empty() {
            return Err(refusal::<R>(keys, plan.refused));
        }
        let rows = match self.deed {
            Deed::Each(_) => once(found.rows),
            // A row that is twice in a request is changed once.
            _ => found.rows,
        };
        for (group, rows) in together(rows.into_iter().map(|row| (row.group, row))) {
            let group = group.map(|key| Arc::new(Group { key, columns: OnceCell::new() }));
            plan.chunks.extend(rows.chunks(self.ids_at_a_time()).map(|rows| Chunk {
                ids: rows.iter().map(|row| row.id).collect(),
                items: rows.iter().flat_map(|row| row.items.iter().copied()).collect(),
                group: group.clone(),
            }));
        }
        Ok(plan)
    }

    async fn done(
        &self,
        keys: &[R::Key],
        chunk: &Chunk,
        writer: &Writer,
        manner: &Manner<'_>,
    ) -> Result<Answered> {
        let rows = || Rows::filter(Column::<R, i64>::new("id").is_in(&chunk.ids));
        let set = match (&self.deed, &chunk.group, chunk.ids.first()) {
            (Deed::Set(columns), ..) => Some(columns),
            (Deed::SetByGroup(grouped), Some(group), _) => {
                Some(group.columns.get_or_try_init(|| grouped.values(group.key)).await?)
            }
            (Deed::Each(work), _, Some(id)) => {
                // The response confirms the effect.
                return work(*id).await.map(|()| Answered::default());
            }
            (Deed::Delete, ..) => None,
            _ => return Ok(Answered::default()),
        };
        match set {
            Some(columns) => self.core.change(R::NAME, &rows(), columns).await?,
            None => self.core.delete(R::NAME, &rows()).await?,
        }
        if !writer.confirms() {
            return Ok(Answered::default());
        }
        let looked = self.look(keys, chunk, set, manner).await;
        Ok(looked.map_or_else(
            |error| Answered { not_looked: Some(error), ..Answered::default() },
            |without_effect| Answered { without_effect, not_looked: None },
        ))
    }

    /// Returns the items of a chunk without an effect: reads changed rows again, and compares deleted ones.
    async fn look(
        &self,
        keys: &[R::Key],
        chunk: &Chunk,
        set: Option<&Value>,
        manner: &Manner<'_>,
    ) -> Result<Vec<(usize, Error)>> {
        let named = |item: usize| keys.get(item).and_then(|key| Some((key, R::named(key).ok()?)));
        let mut query = Query::new()
            .select(["id"])
            .select(set.into_iter().flat_map(columns))
            .filter(Column::<R, i64>::new("id").is_in(&chunk.ids));
        if let Some((_, Named::By(column, _))) = chunk.items.first().and_then(|item| named(*item)) {
            query = query.select([column]);
        }
        let reply = manner.patience.ask(manner.clock, || self.core.read(R::NAME, None, &query)).await?;
        let found: Vec<Value> = rows_of(&reply)?;
        let by_id: HashMap<i64, &Value> =
            found.iter().filter_map(|row| Some((row.get("id")?.as_i64()?, row))).collect();
        let mut without_effect = Vec::new();
        for item in &chunk.items {
            let Some((key, named)) = named(*item) else { continue };
            let row = match &named {
                Named::Id(id) => by_id.get(id).copied(),
                Named::By(column, name) => {
                    found.iter().find(|row| row.get(column).and_then(Value::as_str) == Some(name))
                }
            };
            let what = format_args!("{} {key}", R::NOUN);
            let error = match (set, row) {
                (None, Some(_)) => Some(still_there(what)),
                (None, None) => None,
                (Some(_), None) => Some(nothing(what)),
                (Some(columns), Some(row)) => difference(columns, row).map(|reads| unchanged(what, &reads)),
            };
            without_effect.extend(error.map(|error| (*item, error.operation(reply.operation.clone()))));
        }
        Ok(without_effect)
    }
}

/// Merges duplicates, also of rows that were looked up in different requests.
fn once(rows: Vec<Row>) -> Vec<Row> {
    let same = together(rows.into_iter().map(|row| ((row.id, row.group), row.items)));
    same.into_iter().map(|((id, group), items)| Row { id, group, items: items.concat() }).collect()
}

async fn find<R: ListedRow + Sync>(
    core: &Core,
    sorted: Sorted,
    columns: Query,
    single: bool,
    group: GroupOf<'_, R>,
    manner: &Manner<'_>,
) -> Result<Found> {
    let size = core.settings().request_batching_chunk_size;
    let mut search = Search { columns, single, at_a_time: size.ids.get() };
    let (by_id, id) = (Column::<R, i64>::new("id"), |row: &R, _| row.id());
    let mut found = look_up(core, by_id, id, sorted.ids, group, &search, manner).await?;
    search.at_a_time = size.names.get();
    for (column, names) in sorted.names {
        let by_name = Column::<R, String>::new(column);
        let more = look_up(core, by_name, R::name, names, group, &search, manner).await?;
        found.rows.extend(more.rows);
        found.missing.extend(more.missing);
    }
    Ok(found)
}

/// Looks up the rows of a list. All must exist.
pub(crate) async fn listed<R: ListedRow + Clone + Sync>(
    core: &Core,
    keys: &Keys<R::Key>,
    columns: Query,
) -> Result<Vec<R>> {
    let (keys, single) = match keys {
        Keys::One(key) => (std::slice::from_ref(key), true),
        Keys::Several(keys) => (&**keys, false),
    };
    let clock = &*core.http.clock;
    let (patience, concurrency) = (Patience::None, 1);
    let manner = Manner { concurrency, keep_going: false, confirm: false, patience, clock };
    let open: Vec<Open> = (0..keys.len()).map(|item| Open { item, unknown: false }).collect();
    let rows = Mutex::new(Vec::new());
    let keep = |row: &R| {
        rows.lock().unwrap_or_else(PoisonError::into_inner).push(row.clone());
        Ok(None)
    };
    let found = find::<R>(core, sorted::<R>(keys, &open)?, columns, single, &keep, &manner).await?;
    if !found.missing.is_empty() {
        return Err(refusal::<R>(keys, found.missing));
    }
    Ok(rows.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Highest number of keys in the error of a failed look-up; there may be thousands.
const NAMES_IN_ERRORS: usize = 10;

/// Returns the first error, with the keys of the other missing rows.
fn refusal<R: ListedRow>(keys: &[R::Key], refused: Vec<(Vec<usize>, Error)>) -> Error {
    let mut refused = refused.into_iter();
    let Some((mut items, error)) = refused.next() else { return Error::argument("list", "it is refused") };
    items.extend(refused.filter(|(_, other)| other.kind() == error.kind()).flat_map(|(items, _)| items));
    if items.len() == 1 || !error.is_not_found() {
        return error.help("nothing was changed");
    }
    let names = items.iter().take(NAMES_IN_ERRORS).filter_map(|item| keys.get(*item));
    let names: Vec<String> = names.map(ToString::to_string).collect();
    let rest = match items.len().saturating_sub(NAMES_IN_ERRORS) {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    };
    error.help(format!("nothing was changed; not found: {}{rest}", names.join(",")))
}

impl<R: ListedRow + Sync> Operation<R::Key> for OfRows<R> {
    fn identity(&self) -> Value {
        self.identity.clone()
    }

    fn is_repeatable(&self) -> bool {
        true
    }

    fn plan<'a>(
        &'a self,
        keys: &'a [R::Key],
        open: Vec<Open>,
        manner: &'a Manner<'a>,
    ) -> BoxFuture<'a, Result<Plan>> {
        Box::pin(self.made(keys, open, manner))
    }

    fn send<'a>(
        &'a self,
        keys: &'a [R::Key],
        chunk: &'a Chunk,
        writer: &'a Writer,
        manner: &'a Manner<'a>,
    ) -> BoxFuture<'a, Result<Answered>> {
        Box::pin(self.done(keys, chunk, writer, manner))
    }
}
