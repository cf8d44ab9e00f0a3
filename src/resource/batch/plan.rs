//! The plan of a batch: its chunks, and the operation on each.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::OnceCell;

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::http::BoxFuture;
use crate::resource::write_request::RowWriter;

use super::BatchKey;
use super::rate_limit::RetryAfterPolicy;

/// An item that is not done yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PendingItem {
    /// Index in the list.
    pub(crate) item: usize,
    /// Whether an earlier run sent it and received no response.
    pub(crate) unknown: bool,
}

/// A chunk of a batch: the items of one request, or one item with its own requests.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Ids of its rows, if known.
    pub(crate) ids: Vec<i64>,
    /// Indexes of its items in the list.
    pub(crate) items: Vec<usize>,
    pub(crate) group: Option<Arc<Group>>,
}

/// Shared data of the chunks with the same values.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) key: i64,
    /// The columns to set, once they are computed.
    pub(crate) columns: OnceCell<Value>,
}

/// The chunks, and the items that are in none.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) chunks: Vec<Chunk>,
    /// Items that are not sent, with the reason.
    pub(crate) refused: Vec<(Vec<usize>, Error)>,
    /// Items that turn out to be done by an earlier run.
    pub(crate) done: Vec<usize>,
}

/// Run options of a batch.
#[derive(Debug)]
pub(crate) struct RunOptions<'a> {
    /// Number of concurrent requests.
    pub(crate) concurrency: usize,
    /// Whether to continue after failures.
    pub(crate) keep_going: bool,
    /// Whether to check the effect.
    pub(crate) confirm: bool,
    pub(crate) rate_limit_wait: RetryAfterPolicy,
    pub(crate) clock: &'a dyn Clock,
}

/// An operation on the items of a batch, chunk by chunk.
pub(crate) trait Operation<K>: Send + Sync {
    /// Returns the identity of the operation: its name and its arguments without the list.
    fn identity(&self) -> Value;

    /// Returns whether the operation is idempotent.
    fn is_idempotent(&self) -> bool;

    /// Divides the open items into chunks. Its requests only read.
    ///
    /// # Errors
    /// An error ends the batch before anything is changed.
    fn plan<'a>(
        &'a self,
        keys: &'a [K],
        open: Vec<PendingItem>,
        run_options: &'a RunOptions<'a>,
    ) -> BoxFuture<'a, Result<Plan>>;

    /// Sends one chunk, and checks its effect if the writer does.
    fn send<'a>(
        &'a self,
        keys: &'a [K],
        chunk: &'a Chunk,
        writer: &'a RowWriter,
        run_options: &'a RunOptions<'a>,
    ) -> BoxFuture<'a, Result<ChunkOutcome>>;
}

/// Result of a chunk that the API accepted.
#[derive(Debug, Default)]
pub(crate) struct ChunkOutcome {
    /// Indexes of the items without an effect, with the reason.
    pub(crate) unchanged: Vec<(usize, Error)>,
    /// The error of the check, if it was requested and failed.
    pub(crate) not_confirmed: Option<Error>,
}

/// Groups values by key, in the order in which the keys first occur.
pub(super) fn group_by_key<K: Clone + Eq + Hash, T>(
    all: impl IntoIterator<Item = (K, T)>,
) -> Vec<(K, Vec<T>)> {
    let mut places: HashMap<K, usize> = HashMap::new();
    let mut groups: Vec<(K, Vec<T>)> = Vec::new();
    for (key, one) in all {
        let place = *places.entry(key.clone()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, group)) => group.push(one),
            None => groups.push((key, vec![one])),
        }
    }
    groups
}

/// Sends the requests of one item.
type SendFn<K> = Box<dyn Fn(RowWriter, K) -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// An operation with its own requests for each item.
pub(crate) struct PerItem<K> {
    identity: Value,
    idempotent: bool,
    work: SendFn<K>,
}

impl<K> PerItem<K> {
    pub(crate) fn new<F>(identity: Value, work: impl Fn(RowWriter, K) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        Self { identity, idempotent: true, work: Box::new(move |writer, key| Box::pin(work(writer, key))) }
    }

    /// Marks the operation as not idempotent.
    pub(crate) fn not_idempotent(self) -> Self {
        Self { idempotent: false, ..self }
    }
}

impl<K: BatchKey> Operation<K> for PerItem<K> {
    fn identity(&self) -> Value {
        self.identity.clone()
    }

    fn is_idempotent(&self) -> bool {
        self.idempotent
    }

    fn plan<'a>(
        &'a self,
        keys: &'a [K],
        open: Vec<PendingItem>,
        _: &'a RunOptions<'a>,
    ) -> BoxFuture<'a, Result<Plan>> {
        Box::pin(async move {
            keys.iter().try_for_each(BatchKey::check)?;
            // An item that is in the list twice is sent once.
            let items =
                group_by_key(open.into_iter().filter_map(|open| Some((keys.get(open.item)?, open.item))));
            let chunk = |(_, items)| Chunk { ids: Vec::new(), items, group: None };
            Ok(Plan { chunks: items.into_iter().map(chunk).collect(), ..Plan::default() })
        })
    }

    fn send<'a>(
        &'a self,
        keys: &'a [K],
        chunk: &'a Chunk,
        writer: &'a RowWriter,
        _: &'a RunOptions<'a>,
    ) -> BoxFuture<'a, Result<ChunkOutcome>> {
        Box::pin(async move {
            if let Some(key) = chunk.items.first().and_then(|item| keys.get(*item)) {
                (self.work)(writer.clone(), key.clone()).await?;
            }
            Ok(ChunkOutcome::default())
        })
    }
}
