//! Batches: one call for many rows, sent in chunks, with a report and a token to resume.

mod in_flight;
mod keys;
mod look_up;
mod plan;
mod rate_limit;
mod report;
mod row_batch;
mod run;
mod token;

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use crate::core::Core;
use crate::error::{Error, Result};
use crate::resource::keys::DeviceKey;

pub use keys::{ApplicationKeys, BatchKey, DeviceKeys, Keys};
pub(crate) use look_up::{BatchResource, KeyColumn};
pub(crate) use plan::{Operation, PerItem};
pub use report::{BatchChunk, BatchCounts, BatchItem, BatchProgress, BatchReport, BatchState};
pub(crate) use row_batch::{Grouped, RowBatch, RowOperation, listed};
pub use token::ResumeToken;

use rate_limit::RetryAfterPolicy;

/// Highest concurrency: more would not be faster, because the API limits the requests of a client.
const MAX_CONCURRENCY: usize = 32;

type Progress = Box<dyn FnMut(&BatchProgress<'_>) + Send>;

/// The caller's options of a batch.
struct Options {
    concurrency: usize,
    keep_going: bool,
    confirm: bool,
    retry_unknown: bool,
    resume: Option<ResumeToken>,
    progress: Option<Progress>,
}

/// A change of many rows. Nothing is sent before `.await`.
///
/// It is sent in chunks: up to 200 ids in one request, or one item per request if each needs its own. `.await` is
/// `Ok` if all items are done, otherwise the first error, which ends the batch. Chunks sent before stay done.
/// [`report`](Self::report) returns the state of each item and a token to resume.
///
/// Uuids are looked up before anything is changed, 50 in one request, and all must exist. The API does not report
/// ids that do not exist or that the token may not change, nor does version 6 report a single uuid: `Ok` then means
/// that the API accepted the request. [`confirm`](Self::confirm) and [`report`](Self::report) check the effect.
/// Dropping the future cancels the batch; the chunk in flight may still take effect.
///
/// # Errors
/// Besides those of the call: `is_invalid_argument`, before anything is sent, if a key is malformed, the
/// [`concurrency`](Self::concurrency) is out of range, or the [`resume`](Self::resume) token is invalid;
/// `is_unknown_outcome` if a chunk was sent and the connection closed before a response.
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

/// Marker of a [`Batch`] whose output is a [`BatchReport`].
#[derive(Debug)]
#[non_exhaustive]
pub struct WithReport;

impl<K> Batch<K> {
    /// Creates a batch. `.await` returns an error of the arguments.
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

    /// Makes `.await` return this error before anything is sent.
    pub(crate) fn refused(self, error: Error) -> Self {
        Self { operation: Err(error), ..self }
    }

    /// Returns a [`BatchReport`] with the state of each chunk and item instead of the first error. Checks the effect
    /// of each chunk, as [`confirm`](Self::confirm) does.
    ///
    /// After a 429 with `Retry-After`, it waits as asked: up to two minutes, a few times in a row. After that the
    /// batch ends, and the other items are not tried.
    ///
    /// # Errors
    /// Errors before the first chunk: invalid arguments, or a uuid that does not exist. All later errors are in the
    /// report.
    pub fn report(self) -> Batch<K, WithReport> {
        let Self { core, keys, operation, options, .. } = self.confirm();
        Batch { core, keys, operation, options, output: PhantomData }
    }
}

impl<K, O> Batch<K, O> {
    /// Sets the number of concurrent chunks, 1 to 32. With the default of 1, chunks are sent in the order of the
    /// list, each after the response to the one before.
    pub fn concurrency(mut self, parts: usize) -> Self {
        self.options.concurrency = parts;
        self
    }

    /// Reads the rows after each chunk, and checks that they exist and have the new values, or are deleted: one more
    /// request for up to 200 rows, and one before a deletion. The API answers 200 even if the rows do not exist or
    /// the token may not change them. A [`report`](Batch::report) always checks.
    ///
    /// # Errors
    /// `is_not_found` for the first row that does not exist, is not visible to the token, or did not change.
    pub fn confirm(mut self) -> Self {
        self.options.confirm = true;
        self
    }

    /// Continues after a chunk that failed, and after uuids that do not exist. Still ends on an error that every
    /// chunk would have: a refused token (401), an unreachable server, too many requests.
    pub fn keep_going(mut self) -> Self {
        self.options.keep_going = true;
        self
    }

    /// Continues an earlier run of the same call. Items that are done are skipped; items that failed or were not
    /// tried are tried. [Unknown](BatchState::Unknown) items are repeated if the operation is idempotent, as all
    /// changes of columns are; otherwise see [`retry_unknown`](Self::retry_unknown).
    ///
    /// # Errors
    /// `is_invalid_argument` if the token belongs to another call: another list, other arguments, or another API.
    pub fn resume(mut self, token: ResumeToken) -> Self {
        self.options.resume = Some(token);
        self
    }

    /// When resuming, repeats unknown items although they may then happen twice, such as a second reboot.
    pub fn retry_unknown(mut self) -> Self {
        self.options.retry_unknown = true;
        self
    }

    /// Sets a callback that runs before each chunk is sent, so that the [token](BatchProgress::resume_token) can be
    /// saved in case this process ends. It blocks the batch, so it should be quick.
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
            run::run(&self.core, self.keys, &*operation, self.options, RetryAfterPolicy::None)
                .await?
                .into_result()
        })
    }
}

impl<K: BatchKey> IntoFuture for Batch<K, WithReport> {
    type Output = Result<BatchReport<K>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<BatchReport<K>>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let operation = self.operation?;
            run::run(&self.core, self.keys, &*operation, self.options, RetryAfterPolicy::AsTold).await
        })
    }
}

impl<K, O> fmt::Debug for Batch<K, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}
