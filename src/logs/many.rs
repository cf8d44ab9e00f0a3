//! Many logs in one stream.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures_core::Stream;

use crate::error::Result;

use super::stream::{LogEvent, LogStream};

/// What happened in the log of one of several devices.
#[derive(Debug)]
#[non_exhaustive]
pub struct DeviceLog {
    /// The device: its whole uuid; as long as that is not known, what the caller calls it.
    pub device: Arc<str>,
    /// An error is the end of this device's log, and of no other.
    pub event: Result<LogEvent>,
}

/// The logs of many devices as they are written: a `Stream` that ends when all of them have ended.
///
/// Each is followed as [`LogStream`] does. Whatever has something to tell gets its turn, so one that logs a
/// lot does not keep the others waiting.
pub struct LogsOfMany {
    logs: Vec<Option<One>>,
    turns: Arc<Turns>,
}

struct One {
    log: LogStream,
    waker: Waker,
}

/// Which of them may have something to tell. Only these are polled: asking a thousand whenever one has a line
/// would cost more than the lines.
#[derive(Debug, Default)]
struct Turns(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    /// Each of them once at most.
    queue: VecDeque<usize>,
    queued: Vec<bool>,
    reader: Option<Waker>,
}

impl Turns {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
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

    /// The next one; without one, `reader` is called when there is.
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

/// Lets one of them have a turn.
struct Turn {
    index: usize,
    turns: Arc<Turns>,
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        if let Some(reader) = self.turns.add(self.index) {
            reader.wake();
        }
    }
}

impl LogsOfMany {
    pub(super) fn new(logs: Vec<LogStream>) -> Self {
        let all = Waiting { queue: (0..logs.len()).collect(), queued: vec![true; logs.len()], reader: None };
        let turns = Arc::new(Turns(Mutex::new(all)));
        let one = |(index, log)| {
            let waker = Waker::from(Arc::new(Turn { index, turns: turns.clone() }));
            Some(One { log, waker })
        };
        Self { logs: logs.into_iter().enumerate().map(one).collect(), turns: turns.clone() }
    }

    /// What happens next in any of them; `None` when all have ended.
    pub async fn next(&mut self) -> Option<DeviceLog> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// How many are still followed.
    pub fn following(&self) -> usize {
        self.logs.iter().flatten().count()
    }

    /// How many lines were left out so far because they could not be read, of those that are still followed.
    pub fn skipped(&self) -> u64 {
        self.logs.iter().flatten().map(|one| one.log.skipped()).sum()
    }
}

impl Stream for LogsOfMany {
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
                    // Behind the others.
                    this.turns.add(index);
                    return Poll::Ready(Some(DeviceLog { device: one.log.device(), event }));
                }
                Poll::Ready(None) => *place = None,
            }
        }
        // Who has another turn right away has to let others of this thread do something first.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl fmt::Debug for LogsOfMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogsOfMany").field("following", &self.following()).finish_non_exhaustive()
    }
}
