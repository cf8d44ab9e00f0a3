//! The logs of many devices in one stream.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures_core::Stream;

use crate::error::Result;

use super::stream::{LogEvent, LogStream};

/// An event in the log of one of several devices.
#[derive(Debug)]
#[non_exhaustive]
pub struct DeviceLog {
    /// The device's full uuid, or the caller's key for it as long as the uuid is unknown.
    pub device: Arc<str>,
    /// An error ends this device's log only.
    pub event: Result<LogEvent>,
}

/// The logs of many devices as one `Stream`, which ends when all of them have ended.
///
/// Each log is followed as a [`LogStream`]. Logs with pending events are polled in turn, so a busy one does not
/// delay the others.
pub struct MergedLogs {
    logs: Vec<Option<MergedSource>>,
    turns: Arc<ReadyQueue>,
}

struct MergedSource {
    log: LogStream,
    waker: Waker,
}

/// Queue of the logs that may have an event. Only these are polled: polling a thousand logs for each line would cost
/// more than the lines.
#[derive(Debug, Default)]
struct ReadyQueue(Mutex<ReadyState>);

#[derive(Debug, Default)]
struct ReadyState {
    /// Contains each log at most once.
    queue: VecDeque<usize>,
    queued: Vec<bool>,
    reader: Option<Waker>,
}

impl ReadyQueue {
    fn waiting(&self) -> MutexGuard<'_, ReadyState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, index: usize) -> Option<Waker> {
        let mut waiting = self.waiting();
        let queued = waiting.queued.get_mut(index)?;
        if !std::mem::replace(queued, true) {
            waiting.queue.push_back(index);
        }
        waiting.reader.take()
    }

    /// Removes the next log from the queue. If it is empty, registers `reader` to be woken.
    fn take(&self, reader: &Waker) -> Option<usize> {
        let mut waiting = self.waiting();
        let Some(index) = waiting.queue.pop_front() else {
            waiting.reader = Some(reader.clone());
            return None;
        };
        if let Some(queued) = waiting.queued.get_mut(index) {
            *queued = false;
        }
        Some(index)
    }
}

/// Waker of one log: adds it to the queue.
struct ReadyWaker {
    index: usize,
    turns: Arc<ReadyQueue>,
}

impl Wake for ReadyWaker {
    fn wake(self: Arc<Self>) {
        if let Some(reader) = self.turns.add(self.index) {
            reader.wake();
        }
    }
}

impl MergedLogs {
    pub(super) fn new(logs: Vec<LogStream>) -> Self {
        let all =
            ReadyState { queue: (0..logs.len()).collect(), queued: vec![true; logs.len()], reader: None };
        let turns = Arc::new(ReadyQueue(Mutex::new(all)));
        let one = |(index, log)| {
            let waker = Waker::from(Arc::new(ReadyWaker { index, turns: turns.clone() }));
            Some(MergedSource { log, waker })
        };
        Self { logs: logs.into_iter().enumerate().map(one).collect(), turns: turns.clone() }
    }

    /// Waits for the next event of any log. Returns `None` when all have ended.
    pub async fn next(&mut self) -> Option<DeviceLog> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Returns the number of logs that have not ended.
    pub fn following(&self) -> usize {
        self.logs.iter().flatten().count()
    }

    /// Returns the number of unreadable lines skipped so far, in the logs that have not ended.
    pub fn skipped(&self) -> u64 {
        self.logs.iter().flatten().map(|one| one.log.skipped()).sum()
    }
}

impl Stream for MergedLogs {
    type Item = DeviceLog;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<DeviceLog>> {
        let this = self.get_mut();
        for _ in 0..=this.logs.len() {
            let Some(index) = this.turns.take(cx.waker()) else {
                let all_ended = this.logs.iter().all(Option::is_none);
                return if all_ended { Poll::Ready(None) } else { Poll::Pending };
            };
            let Some(place) = this.logs.get_mut(index) else { continue };
            let Some(one) = place else { continue };
            let polled = Pin::new(&mut one.log).poll_next(&mut Context::from_waker(&one.waker));
            match polled {
                Poll::Pending => {}
                Poll::Ready(Some(event)) => {
                    // Behind the other queued logs.
                    this.turns.add(index);
                    return Poll::Ready(Some(DeviceLog { device: one.log.device(), event }));
                }
                Poll::Ready(None) => *place = None,
            }
        }
        // Yields, so that other tasks of this thread can run.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl fmt::Debug for MergedLogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogsOfMany").field("following", &self.following()).finish_non_exhaustive()
    }
}
