//! Who asks: the client of a request, with its limits.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::rate::TokenBucket;
use crate::service::scope::{Scope, Scopes};

/// The client of a request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Name of the client; `admin`, or `anonymous` if it is not known.
    pub(crate) name: Arc<str>,
    /// What it may do.
    pub(crate) scopes: Arc<Scopes>,
    /// How it is known.
    pub(crate) via: Via,
    /// Its address; loopback on a Unix socket.
    pub(crate) address: IpAddr,
    /// `None` for who is not known: only connections are limited then.
    pub(crate) usage: Option<Arc<Usage>>,
}

/// How a client is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    /// It is not.
    Anonymous,
    /// By a token.
    Token,
    /// By the Unix socket it is connected to.
    Socket,
    /// By the address of a compose service.
    Service,
    /// By the admin token.
    Admin,
}

impl Caller {
    /// Returns whether the client has this scope.
    pub(crate) fn allows(&self, scope: &Scope) -> bool {
        self.scopes.allows(scope)
    }

    /// Counts a stream of the client, until the permit is dropped. `None` if it has its maximum.
    pub(crate) fn open_stream(&self) -> Option<StreamPermit> {
        match &self.usage {
            Some(usage) => usage.open_stream(),
            None => Some(StreamPermit(None)),
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// The time until the client may send the next one.
    pub(crate) fn count_request(&self) -> Result<(), Duration> {
        self.usage.as_ref().map_or(Ok(()), |usage| usage.count_request())
    }
}

/// What a client uses of its limits.
#[derive(Debug)]
pub(crate) struct Usage {
    started: Instant,
    requests: Mutex<TokenBucket>,
    streams: AtomicUsize,
    most_streams: usize,
}

impl Usage {
    /// Nothing is used yet.
    pub(crate) fn new(requests_per_second: u32, most_streams: usize) -> Arc<Self> {
        Arc::new(Self {
            started: Instant::now(),
            requests: Mutex::new(TokenBucket::new(requests_per_second)),
            streams: AtomicUsize::new(0),
            most_streams,
        })
    }

    fn count_request(&self) -> Result<(), Duration> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).take(self.started.elapsed())
    }

    fn open_stream(self: &Arc<Self>) -> Option<StreamPermit> {
        let most = self.most_streams;
        self.streams
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| (open < most).then_some(open + 1))
            .ok()?;
        Some(StreamPermit(Some(self.clone())))
    }
}

/// The place of an open stream of a client; dropping it frees the place.
#[derive(Debug)]
pub(crate) struct StreamPermit(Option<Arc<Usage>>);

impl Drop for StreamPermit {
    fn drop(&mut self) {
        if let Some(usage) = &self.0 {
            usage.streams.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn streams_and_requests_are_counted() {
        let usage = Usage::new(1, 2);
        let caller = Caller {
            name: "web".into(),
            scopes: Arc::default(),
            via: Via::Token,
            address: [127, 0, 0, 1].into(),
            usage: Some(usage),
        };
        let (first, second) = (caller.open_stream().unwrap(), caller.clone().open_stream().unwrap());
        assert!(caller.open_stream().is_none());
        drop(first);
        let _third = caller.open_stream().unwrap();
        drop(second);
        assert_eq!([0; 3].map(|_| caller.count_request().is_ok()), [true, true, false]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(caller.count_request().is_ok() && caller.count_request().is_err());
    }
}
