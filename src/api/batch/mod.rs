//! One call for many: planned, sent part by part, and told of in a report with which it can go on later.

mod flight;
mod keys;
mod look_up;
mod patience;
mod plan;
mod report;
mod rows;
mod run;
mod token;

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use crate::api::keys::DeviceKey;
use crate::core::Core;
use crate::error::{Error, Result};

pub use keys::{ApplicationKeys, BatchKey, DeviceKeys, Keys};
pub(crate) use look_up::{ListedRow, Named};
pub(crate) use plan::{Each, Operation};
pub use report::{BatchChunk, BatchCounts, BatchItem, BatchProgress, BatchReport, BatchState};
pub(crate) use rows::{Deed, Grouped, OfRows, listed};
pub use token::ResumeToken;

use patience::Patience;

/// More requests at a time would not be served any sooner: the server limits the requests of a caller.
const MOST_AT_A_TIME: usize = 32;

type Progress = Box<dyn FnMut(&BatchProgress<'_>) + Send>;

/// How the caller wants it.
struct Options {
    concurrency: usize,
    keep_going: bool,
    confirm: bool,
    retry_unknown: bool,
    resume: Option<ResumeToken>,
    progress: Option<Progress>,
}

/// A change for many: nothing is sent before `.await`.
///
/// What is sent is sent in parts: 200 ids in one request, or one of the list where each has its own. `.await` is
/// `Ok` when all of them are done, and otherwise the first error, which ends it; what was sent before stays done.
/// [`report`](Self::report) tells more, and how to go on.
///
/// Uuids are looked up before anything is changed, 50 in one request, and all of them have to be there. Of ids
/// that are not there, or that the token may not change, the server tells nothing, and version 6 of the API tells
/// nothing of a single uuid either: `Ok` says then that the server took the request. [`confirm`](Self::confirm) and
/// [`report`](Self::report) look. Dropping it cancels it; the part that was on its way may still happen.
///
/// # Errors
/// Besides those of the call: `is_invalid_argument` before anything is sent, for keys that could match anything,
/// and for a [`concurrency`](Self::concurrency) or a [`resume`](Self::resume) token that is none;
/// `is_unknown_outcome` when a part was sent and the connection closed.
///
/// ```no_run
/// # async fn example(balena: balena_agent::Balena, ids: Vec<i64>) -> balena_agent::Result<()> {
/// balena.device().set_note(ids.clone(), "in the shop").await?;
///
/// let report = balena.device().set_note(ids, "in the shop").concurrency(4).keep_going().report().await?;
/// println!("{}", report.counts());
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is sent before `.await`"]
pub struct Batch<K = DeviceKey, O = ()> {
    core: Arc<Core>,
    keys: Vec<K>,
    operation: Result<Box<dyn Operation<K>>>,
    options: Options,
    output: PhantomData<fn() -> O>,
}

/// Marks a [`Batch`] whose output is a [`BatchReport`].
#[derive(Debug)]
#[non_exhaustive]
pub struct WithReport;

impl<K> Batch<K> {
    /// What is wrong with the arguments is an error of the `.await`.
    pub(crate) fn new(core: &Arc<Core>, keys: Vec<K>, operation: Result<Box<dyn Operation<K>>>) -> Self {
        let options = Options {
            concurrency: 1,
            keep_going: false,
            confirm: false,
            retry_unknown: false,
            resume: None,
            progress: None,
        };
        Self { core: core.clone(), keys, operation, options, output: PhantomData }
    }

    /// Refused before anything is sent, for this reason.
    pub(crate) fn refused(self, error: Error) -> Self {
        Self { operation: Err(error), ..self }
    }

    /// With a [`BatchReport`] of what became of every part and every one of the list, instead of the first error.
    /// It looks what came of each part, as [`confirm`](Self::confirm) does.
    ///
    /// It also waits when the server says that these are too many requests (429 with `Retry-After`): as long as it
    /// is told, up to two minutes, and a few times in a row. Then it ends there, and the rest is not tried.
    ///
    /// # Errors
    /// What keeps it from beginning at all: wrong arguments, a uuid that is not there. All else is in the report.
    pub fn report(self) -> Batch<K, WithReport> {
        let Self { core, keys, operation, options, .. } = self.confirm();
        Batch { core, keys, operation, options, output: PhantomData }
    }
}

impl<K, O> Batch<K, O> {
    /// So many parts at a time, 1 to 32. One by default: in the order of the list, each after the answer to the
    /// one before.
    pub fn concurrency(mut self, parts: usize) -> Self {
        self.options.concurrency = parts;
        self
    }

    /// Looks after each part whether the rows are there and have what was set, or are gone: one more request for
    /// up to 200 of them (and one before a removal). The server says 200 to a change of rows that are not there, or
    /// that the token may not change. A [`report`](Batch::report) looks in any case.
    ///
    /// # Errors
    /// `is_not_found` for the first one that is not there, that the token does not see, or that is as it was.
    pub fn confirm(mut self) -> Self {
        self.options.confirm = true;
        self
    }

    /// Goes on after a part that failed, and after uuids that are not there. Not after what would fail every part:
    /// a token that is refused (401), a server that can't be reached, one request too many.
    pub fn keep_going(mut self) -> Self {
        self.options.keep_going = true;
        self
    }

    /// Goes on where an earlier run of the same call stopped: what is done is not done again, what failed or was
    /// not tried is. What is [unknown](BatchState::Unknown) is done again where that makes no difference, as for
    /// all changes of columns; for the others see [`retry_unknown`](Self::retry_unknown).
    ///
    /// # Errors
    /// `is_invalid_argument` when the token is of another call: with another list, other arguments, another API.
    pub fn resume(mut self, token: ResumeToken) -> Self {
        self.options.resume = Some(token);
        self
    }

    /// When going on: does again what is unknown although it may happen twice then, a second reboot for example.
    pub fn retry_unknown(mut self) -> Self {
        self.options.retry_unknown = true;
        self
    }

    /// Called before each part is sent, so that a [token](BatchProgress::resume_token) can be kept in case this
    /// process ends. It should be quick: nothing else happens meanwhile.
    pub fn on_progress(mut self, progress: impl FnMut(&BatchProgress<'_>) + Send + 'static) -> Self {
        self.options.progress = Some(Box::new(progress));
        self
    }
}

impl<K: BatchKey> IntoFuture for Batch<K> {
    type Output = Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let operation = self.operation?;
            run::run(&self.core, self.keys, &*operation, self.options, Patience::None).await?.into_result()
        })
    }
}

impl<K: BatchKey> IntoFuture for Batch<K, WithReport> {
    type Output = Result<BatchReport<K>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<BatchReport<K>>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let operation = self.operation?;
            run::run(&self.core, self.keys, &*operation, self.options, Patience::AsTold).await
        })
    }
}

impl<K, O> fmt::Debug for Batch<K, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}
