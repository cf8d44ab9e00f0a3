//! What a batch is made of: parts, and what is done to each of them.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::OnceCell;

use crate::api::confirm::Writer;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::http::BoxFuture;

use super::BatchKey;
use super::patience::Patience;

/// One of the list that is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Open {
    /// Place in the list.
    pub(crate) item: usize,
    /// An earlier run sent it and got no answer.
    pub(crate) unknown: bool,
}

/// A part of a batch: one request, or what is done for one of the list.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Rows that it is for, where that is known by their ids.
    pub(crate) ids: Vec<i64>,
    /// Places in the list of those that it is for.
    pub(crate) items: Vec<usize>,
    pub(crate) group: Option<Arc<Group>>,
}

/// What chunks have in common that are done in the same way.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) key: i64,
    /// The columns to set, once they are known.
    pub(crate) columns: OnceCell<Value>,
}

/// The parts, and what will be in none.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) chunks: Vec<Chunk>,
    /// Those that nothing is sent for, and why.
    pub(crate) refused: Vec<(Vec<usize>, Error)>,
    /// Those that an earlier run has done, as it turns out.
    pub(crate) done: Vec<usize>,
}

/// How a batch goes about it.
#[derive(Debug)]
pub(crate) struct Manner<'a> {
    /// Requests at a time.
    pub(crate) concurrency: usize,
    /// Whether what fails is left behind.
    pub(crate) keep_going: bool,
    /// Whether it looks what came of it.
    pub(crate) confirm: bool,
    pub(crate) patience: Patience,
    pub(crate) clock: &'a dyn Clock,
}

/// What is done to a list, part by part.
pub(crate) trait Operation<K>: Send + Sync {
    /// What makes it this one and no other: its name and its arguments, but for the list.
    fn identity(&self) -> Value;

    /// Whether to do it twice is the same as to do it once.
    fn is_repeatable(&self) -> bool;

    /// Makes parts of what is open. What it asks for only reads.
    ///
    /// # Errors
    /// Then nothing is done at all.
    fn plan<'a>(
        &'a self,
        keys: &'a [K],
        open: Vec<Open>,
        manner: &'a Manner<'a>,
    ) -> BoxFuture<'a, Result<Plan>>;

    /// Does one part, and looks what came of it if the writer does.
    fn send<'a>(
        &'a self,
        keys: &'a [K],
        chunk: &'a Chunk,
        writer: &'a Writer,
        manner: &'a Manner<'a>,
    ) -> BoxFuture<'a, Result<Answered>>;
}

/// What a part came to that the server took.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    /// Places in the list of those that it did nothing for, and why.
    pub(crate) without_effect: Vec<(usize, Error)>,
    /// Why nobody looked, where somebody should have.
    pub(crate) not_looked: Option<Error>,
}

/// What has the same key, together, in the order in which the keys come up.
pub(super) fn together<K: Clone + Eq + Hash, T>(all: impl IntoIterator<Item = (K, T)>) -> Vec<(K, Vec<T>)> {
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

/// Does something for one of the list.
type Work<K> = Box<dyn Fn(Writer, K) -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// What is done for each of the list on its own.
pub(crate) struct Each<K> {
    identity: Value,
    repeatable: bool,
    work: Work<K>,
}

impl<K> Each<K> {
    pub(crate) fn new<F>(identity: Value, work: impl Fn(Writer, K) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        Self { identity, repeatable: true, work: Box::new(move |writer, key| Box::pin(work(writer, key))) }
    }

    /// To do it twice is not the same as to do it once.
    pub(crate) fn once_only(self) -> Self {
        Self { repeatable: false, ..self }
    }
}

impl<K: BatchKey> Operation<K> for Each<K> {
    fn identity(&self) -> Value {
        self.identity.clone()
    }

    fn is_repeatable(&self) -> bool {
        self.repeatable
    }

    fn plan<'a>(&'a self, keys: &'a [K], open: Vec<Open>, _: &'a Manner<'a>) -> BoxFuture<'a, Result<Plan>> {
        Box::pin(async move {
            keys.iter().try_for_each(BatchKey::check)?;
            // One that is in the list twice is done once.
            let items = together(open.into_iter().filter_map(|open| Some((keys.get(open.item)?, open.item))));
            let chunk = |(_, items)| Chunk { ids: Vec::new(), items, group: None };
            Ok(Plan { chunks: items.into_iter().map(chunk).collect(), ..Plan::default() })
        })
    }

    fn send<'a>(
        &'a self,
        keys: &'a [K],
        chunk: &'a Chunk,
        writer: &'a Writer,
        _: &'a Manner<'a>,
    ) -> BoxFuture<'a, Result<Answered>> {
        Box::pin(async move {
            if let Some(key) = chunk.items.first().and_then(|item| keys.get(*item)) {
                (self.work)(writer.clone(), key.clone()).await?;
            }
            Ok(Answered::default())
        })
    }
}
