//! Batch operations on rows of one resource, many rows per request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::OnceCell;

use crate::core::Core;
use crate::error::{Error, Result};
use crate::http::BoxFuture;
use crate::odata::{Column, Query};
use crate::resource::read::rows as rows_of;
use crate::resource::write::RowSelector;
use crate::resource::write_request::{
    RowWriter, column_names, difference, no_row_error, not_removed_error, unchanged_error,
};

use super::keys::Keys;
use super::look_up::{BatchResource, GroupOf, KeyColumn, ListRow, LookUpOptions, LookUpResult, look_up};
use super::plan::{Chunk, ChunkOutcome, Group, Operation, PendingItem, Plan, RunOptions, group_by_key};
use super::rate_limit::RetryAfterPolicy;

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
pub(crate) enum RowOperation<R> {
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
pub(crate) struct RowBatch<R> {
    pub(crate) core: Arc<Core>,
    pub(crate) identity: Value,
    pub(crate) operation: RowOperation<R>,
    /// The batch is for one row given by its key: it is requested as one.
    pub(crate) single: bool,
}

/// The keys of a list, by how they identify their rows.
#[derive(Default)]
struct KeysByColumn {
    ids: Vec<(usize, i64)>,
    /// Identifying values by column, with their indexes.
    names: Vec<(&'static str, Vec<(usize, String)>)>,
}

fn keys_by_column<R: BatchResource>(keys: &[R::Key], open: &[PendingItem]) -> Result<KeysByColumn> {
    // Checks finished items too: a list is valid or invalid as a whole.
    let named = keys.iter().map(R::named).collect::<Result<Vec<KeyColumn>>>()?;
    let ids = named.iter().filter(|named| matches!(named, KeyColumn::Id(_))).count();
    if ids > 0 && ids < named.len() {
        return Err(Error::argument("list", "the list mixes ids and names"));
    }
    let mut sorted = KeysByColumn::default();
    let mut open = open.iter().map(|open| open.item).peekable();
    for (item, named) in named.into_iter().enumerate() {
        if open.next_if_eq(&item).is_none() {
            continue;
        }
        match named {
            KeyColumn::Id(id) => sorted.ids.push((item, id)),
            KeyColumn::By(column, name) => {
                match sorted.names.iter_mut().find(|(known, _)| *known == column) {
                    Some((_, names)) => names.push((item, name)),
                    None => sorted.names.push((column, vec![(item, name)])),
                }
            }
        }
    }
    Ok(sorted)
}

impl<R: BatchResource + Sync> RowBatch<R> {
    fn ids_at_a_time(&self) -> usize {
        match self.operation {
            RowOperation::Each(_) => 1,
            _ => self.core.settings().request_batching_chunk_size.ids.get(),
        }
    }

    async fn find(&self, sorted: KeysByColumn, run_options: &RunOptions<'_>) -> Result<LookUpResult> {
        let grouped = match &self.operation {
            RowOperation::SetByGroup(grouped) => Some(grouped),
            _ => None,
        };
        let columns = grouped.map_or_else(Query::new, |grouped| grouped.columns());
        let group = |row: &R| grouped.map(|grouped| grouped.group(row)).transpose();
        find(&self.core, sorted, columns, self.single, &group, run_options).await
    }

    async fn make_plan(
        &self,
        keys: &[R::Key],
        open: Vec<PendingItem>,
        run_options: &RunOptions<'_>,
    ) -> Result<Plan> {
        let sorted = keys_by_column::<R>(keys, &open)?;
        if let RowOperation::SetByGroup(grouped) = &self.operation {
            run_options.rate_limit_wait.retry(run_options.clock, || grouped.prepare()).await?;
        }
        let by_ids = sorted.names.is_empty();
        let found = match &self.operation {
            // Whether the rows exist can only be checked before they are deleted.
            RowOperation::Delete if run_options.confirm => self.find(sorted, run_options).await?,
            // Ids are sent without a look-up.
            RowOperation::Set(_) | RowOperation::Delete | RowOperation::Each(_) if by_ids => {
                let row = |(item, id)| ListRow { id, group: None, items: vec![item] };
                LookUpResult { rows: sorted.ids.into_iter().map(row).collect(), missing: Vec::new() }
            }
            _ => self.find(sorted, run_options).await?,
        };
        let mut plan = Plan { refused: found.missing, ..Plan::default() };
        if let RowOperation::Delete = self.operation {
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
        let all_have_to_be_there = !by_ids || matches!(self.operation, RowOperation::SetByGroup(_));
        if !run_options.keep_going && all_have_to_be_there && !plan.refused.is_empty() {
            return Err(not_found_error::<R>(keys, plan.refused));
        }
        let rows = match self.operation {
            RowOperation::Each(_) => once(found.rows),
            // A row that is twice in a request is changed once.
            _ => found.rows,
        };
        for (group, rows) in group_by_key(rows.into_iter().map(|row| (row.group, row))) {
            let group = group.map(|key| Arc::new(Group { key, columns: OnceCell::new() }));
            plan.chunks.extend(rows.chunks(self.ids_at_a_time()).map(|rows| Chunk {
                ids: rows.iter().map(|row| row.id).collect(),
                items: rows.iter().flat_map(|row| row.items.iter().copied()).collect(),
                group: group.clone(),
            }));
        }
        Ok(plan)
    }

    async fn send_chunk(
        &self,
        keys: &[R::Key],
        chunk: &Chunk,
        writer: &RowWriter,
        run_options: &RunOptions<'_>,
    ) -> Result<ChunkOutcome> {
        let rows = || RowSelector::filter(Column::<R, i64>::new("id").is_in(&chunk.ids));
        let set = match (&self.operation, &chunk.group, chunk.ids.first()) {
            (RowOperation::Set(columns), ..) => Some(columns),
            (RowOperation::SetByGroup(grouped), Some(group), _) => {
                Some(group.columns.get_or_try_init(|| grouped.values(group.key)).await?)
            }
            (RowOperation::Each(work), _, Some(id)) => {
                // The response confirms the effect.
                return work(*id).await.map(|()| ChunkOutcome::default());
            }
            (RowOperation::Delete, ..) => None,
            _ => return Ok(ChunkOutcome::default()),
        };
        match set {
            Some(columns) => self.core.change(R::NAME, &rows(), columns).await?,
            None => self.core.delete(R::NAME, &rows()).await?,
        }
        if !writer.confirms() {
            return Ok(ChunkOutcome::default());
        }
        let looked = self.verify(keys, chunk, set, run_options).await;
        Ok(looked.map_or_else(
            |error| ChunkOutcome { not_confirmed: Some(error), ..ChunkOutcome::default() },
            |without_effect| ChunkOutcome { unchanged: without_effect, not_confirmed: None },
        ))
    }

    /// Returns the items of a chunk without an effect: reads changed rows again, and compares deleted ones.
    async fn verify(
        &self,
        keys: &[R::Key],
        chunk: &Chunk,
        set: Option<&Value>,
        run_options: &RunOptions<'_>,
    ) -> Result<Vec<(usize, Error)>> {
        let named = |item: usize| keys.get(item).and_then(|key| Some((key, R::named(key).ok()?)));
        let mut query = Query::new()
            .select(["id"])
            .select(set.into_iter().flat_map(column_names))
            .filter(Column::<R, i64>::new("id").is_in(&chunk.ids));
        if let Some((_, KeyColumn::By(column, _))) = chunk.items.first().and_then(|item| named(*item)) {
            query = query.select([column]);
        }
        let response = run_options
            .rate_limit_wait
            .retry(run_options.clock, || self.core.read(R::NAME, None, &query))
            .await?;
        let found: Vec<Value> = rows_of(&response)?;
        let by_id: HashMap<i64, &Value> =
            found.iter().filter_map(|row| Some((row.get("id")?.as_i64()?, row))).collect();
        let mut without_effect = Vec::new();
        for item in &chunk.items {
            let Some((key, named)) = named(*item) else { continue };
            let row = match &named {
                KeyColumn::Id(id) => by_id.get(id).copied(),
                KeyColumn::By(column, name) => {
                    found.iter().find(|row| row.get(column).and_then(Value::as_str) == Some(name))
                }
            };
            let what = format_args!("{} {key}", R::NOUN);
            let error = match (set, row) {
                (None, Some(_)) => Some(not_removed_error(what)),
                (None, None) => None,
                (Some(_), None) => Some(no_row_error(what)),
                (Some(columns), Some(row)) => {
                    difference(columns, row).map(|reads| unchanged_error(what, &reads))
                }
            };
            without_effect
                .extend(error.map(|error| (*item, error.with_operation(response.operation.clone()))));
        }
        Ok(without_effect)
    }
}

/// Merges duplicates, also of rows that were looked up in different requests.
fn once(rows: Vec<ListRow>) -> Vec<ListRow> {
    let same = group_by_key(rows.into_iter().map(|row| ((row.id, row.group), row.items)));
    same.into_iter().map(|((id, group), items)| ListRow { id, group, items: items.concat() }).collect()
}

async fn find<R: BatchResource + Sync>(
    core: &Core,
    sorted: KeysByColumn,
    columns: Query,
    single: bool,
    group: GroupOf<'_, R>,
    run_options: &RunOptions<'_>,
) -> Result<LookUpResult> {
    let size = core.settings().request_batching_chunk_size;
    let mut search = LookUpOptions { columns, single, chunk_size: size.ids.get() };
    let (by_id, id) = (Column::<R, i64>::new("id"), |row: &R, _| row.id());
    let mut found = look_up(core, by_id, id, sorted.ids, group, &search, run_options).await?;
    search.chunk_size = size.names.get();
    for (column, names) in sorted.names {
        let by_name = Column::<R, String>::new(column);
        let more = look_up(core, by_name, R::name, names, group, &search, run_options).await?;
        found.rows.extend(more.rows);
        found.missing.extend(more.missing);
    }
    Ok(found)
}

/// Looks up the rows of a list. All must exist.
pub(crate) async fn listed<R: BatchResource + Clone + Sync>(
    core: &Core,
    keys: &Keys<R::Key>,
    columns: Query,
) -> Result<Vec<R>> {
    let (keys, single) = match keys {
        Keys::One(key) => (std::slice::from_ref(key), true),
        Keys::Several(keys) => (&**keys, false),
    };
    let clock = &*core.http.clock;
    let (patience, concurrency) = (RetryAfterPolicy::None, 1);
    let run_options =
        RunOptions { concurrency, keep_going: false, confirm: false, rate_limit_wait: patience, clock };
    let open: Vec<PendingItem> = (0..keys.len()).map(|item| PendingItem { item, unknown: false }).collect();
    let rows = Mutex::new(Vec::new());
    let keep = |row: &R| {
        rows.lock().unwrap_or_else(PoisonError::into_inner).push(row.clone());
        Ok(None)
    };
    let found =
        find::<R>(core, keys_by_column::<R>(keys, &open)?, columns, single, &keep, &run_options).await?;
    if !found.missing.is_empty() {
        return Err(not_found_error::<R>(keys, found.missing));
    }
    Ok(rows.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Highest number of keys in the error of a failed look-up; there may be thousands.
const MAX_LISTED: usize = 10;

/// Returns the first error, with the keys of the other missing rows.
fn not_found_error<R: BatchResource>(keys: &[R::Key], refused: Vec<(Vec<usize>, Error)>) -> Error {
    let mut refused = refused.into_iter();
    let Some((mut items, error)) = refused.next() else { return Error::argument("list", "it is refused") };
    items.extend(refused.filter(|(_, other)| other.kind() == error.kind()).flat_map(|(items, _)| items));
    if items.len() == 1 || !error.is_not_found() {
        return error.with_help("nothing was changed");
    }
    let names = items.iter().take(MAX_LISTED).filter_map(|item| keys.get(*item));
    let names: Vec<String> = names.map(ToString::to_string).collect();
    let rest = match items.len().saturating_sub(MAX_LISTED) {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    };
    error.with_help(format!("nothing was changed; not found: {}{rest}", names.join(",")))
}

impl<R: BatchResource + Sync> Operation<R::Key> for RowBatch<R> {
    fn identity(&self) -> Value {
        self.identity.clone()
    }

    fn is_idempotent(&self) -> bool {
        true
    }

    fn plan<'a>(
        &'a self,
        keys: &'a [R::Key],
        open: Vec<PendingItem>,
        run_options: &'a RunOptions<'a>,
    ) -> BoxFuture<'a, Result<Plan>> {
        Box::pin(self.make_plan(keys, open, run_options))
    }

    fn send<'a>(
        &'a self,
        keys: &'a [R::Key],
        chunk: &'a Chunk,
        writer: &'a RowWriter,
        run_options: &'a RunOptions<'a>,
    ) -> BoxFuture<'a, Result<ChunkOutcome>> {
        Box::pin(self.send_chunk(keys, chunk, writer, run_options))
    }
}
