//! Device logs: recent lines, and streams of new lines of one device or many.

mod dedup;
mod journal;
mod line;
mod merge;
mod source;
mod stream;

use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::device::{DeviceTarget, Route};
use crate::core::Core;
use crate::error::Result;
use crate::resource::json_request;
use crate::resource::keys::DeviceKey;

pub use line::LogLine;
pub use merge::{DeviceLog, MergedLogs};
pub use stream::{LogEvent, LogStream};

use source::{LineSelection, Source};

/// Logs of devices. From [`Balena::logs`](crate::Balena::logs).
#[derive(Debug, Clone)]
pub struct Logs {
    core: Arc<Core>,
}

impl Logs {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }

    /// Reads the last lines of a device, oldest first (`GET /device/v2/<uuid>/logs`). The default is all that the
    /// API keeps, up to 1,000.
    ///
    /// # Errors
    /// `is_not_found` or `is_ambiguous` for the device; `is_unauthorized` if nobody is logged in, or the credential
    /// is a device's own key, which may not read logs.
    pub fn history(&self, device: impl Into<DeviceKey>) -> History {
        History { core: self.core.clone(), device: device.into(), wanted: LineSelection::default() }
    }

    /// Follows the log of a device (`GET /device/v2/<uuid>/logs?stream=1`). By default without earlier lines. For
    /// this device (`None`, `Local`, or its own uuid if its supervisor is reachable) it follows the journal of the
    /// host (`POST /v2/journal-logs`) without the cloud.
    ///
    /// Dropping the stream unsubscribes.
    ///
    /// # Errors
    /// `is_invalid_argument` if the key is malformed or the start time is invalid; `is_unauthorized` if the session
    /// has expired; for this device, `is_config` without the supervisor's variables. Errors of opening the log are
    /// the first item of the stream: those of [`history`](Self::history), and `is_unreachable`.
    pub fn subscribe(&self, device: impl Into<DeviceTarget>) -> Subscribe {
        Subscribe { core: self.core.clone(), device: device.into(), options: Options::default() }
    }

    /// Follows the logs of many devices in one stream, each as [`subscribe`](Self::subscribe) does. Polling the
    /// stream connects all of them at once. A device whose log fails does not end the others.
    ///
    /// # Errors
    /// `is_invalid_argument` if a key is malformed. Errors of a device are events of the stream.
    pub fn subscribe_all<T: Into<DeviceTarget>>(&self, devices: impl IntoIterator<Item = T>) -> SubscribeAll {
        let devices = devices.into_iter().map(Into::into).collect();
        SubscribeAll { core: self.core.clone(), devices, options: Options::default() }
    }
}

/// All available lines, as a [`LineCount`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllLines;

/// Number of lines: a number, or [`AllLines`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineCount(Option<u32>);

impl From<u32> for LineCount {
    fn from(count: u32) -> Self {
        Self(Some(count))
    }
}

impl From<AllLines> for LineCount {
    fn from(_: AllLines) -> Self {
        Self(None)
    }
}

/// A point in time, as a [`Timestamp`] or as text (`2024-01-15T10:00:00Z`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogStart(String);

impl From<Timestamp> for LogStart {
    fn from(time: Timestamp) -> Self {
        Self(time.as_millisecond().to_string())
    }
}

impl From<&str> for LogStart {
    fn from(time: &str) -> Self {
        Self(time.to_owned())
    }
}

/// The options of a subscription.
#[derive(Debug)]
struct Options {
    wanted: LineSelection,
    patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { wanted: LineSelection::default(), patience: stream::PATIENCE }
    }
}

impl Options {
    /// # Errors
    /// `is_invalid_argument` if the key is malformed or the start time is invalid.
    fn stream(&self, core: &Arc<Core>, device: DeviceTarget) -> Result<LogStream> {
        self.wanted.check()?;
        let way: Route = device.route(&core.env, &core.supervisor)?;
        let source = Source::new(core, way);
        source.check(core, &self.wanted)?;
        Ok(LogStream::new(core, source, self.wanted.clone(), self.patience))
    }
}

macro_rules! options {
    ($($wanted:ident).+) => {
        /// Limits the earlier lines to the last `count`, or [`AllLines`].
        pub fn count(mut self, count: impl Into<LineCount>) -> Self {
            self.$($wanted).+.count = Some(count.into());
            self
        }

        /// Excludes lines from before this time. [`count`](Self::count) limits their number.
        pub fn start(mut self, time: impl Into<LogStart>) -> Self {
            self.$($wanted).+.start = Some(time.into().0);
            self
        }
    };
}

/// A request for the last lines of a device. Nothing is sent before `.await`.
#[derive(Debug)]
#[must_use = "nothing is sent before `.await`"]
pub struct History {
    core: Arc<Core>,
    device: DeviceKey,
    wanted: LineSelection,
}

impl History {
    options!(wanted);
}

impl IntoFuture for History {
    type Output = Result<Vec<LogLine>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let response = source::history(&self.core, &self.device, &self.wanted).await?;
            json_request::decode(&response)
        })
    }
}

/// A subscription to the log of a device. `.await` sends the request and waits for the response for at most half a
/// second: the API sends nothing, not even a status, before the first line or heartbeat (58 s). An error of opening
/// the log is the first item of the stream.
#[derive(Debug)]
#[must_use = "nothing is sent before `.await`"]
pub struct Subscribe {
    core: Arc<Core>,
    device: DeviceTarget,
    options: Options,
}

/// A subscription to the logs of many devices. Nothing is sent before the stream is polled.
#[derive(Debug)]
#[must_use = "it does nothing before `.await`"]
pub struct SubscribeAll {
    core: Arc<Core>,
    devices: Vec<DeviceTarget>,
    options: Options,
}

macro_rules! subscription {
    ($($name:ident)*) => {$(
        impl $name {
            options!(options.wanted);

            /// Sets for how long a lost connection is retried: one hour by default. The pauses between attempts grow
            /// to at most 30 s.
            pub fn patience(mut self, patience: Duration) -> Self {
                self.options.patience = patience;
                self
            }
        }
    )*};
}

subscription!(Subscribe SubscribeAll);

impl IntoFuture for Subscribe {
    type Output = Result<LogStream>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut stream = self.options.stream(&self.core, self.device)?;
            stream.begin_at_once().await;
            Ok(stream)
        })
    }
}

impl IntoFuture for SubscribeAll {
    type Output = Result<MergedLogs>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let streams = self.devices.into_iter().map(|device| self.options.stream(&self.core, device));
            Ok(MergedLogs::new(streams.collect::<Result<_>>()?))
        })
    }
}

const _: () = {
    const fn sendable<T: Send + Unpin + 'static>() {}
    sendable::<LogStream>();
    sendable::<MergedLogs>();
};
