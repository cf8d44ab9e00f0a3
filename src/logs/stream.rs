//! A stream of one log that survives lost connections.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use tokio::time::Instant;

use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{BoxFuture, Line, LineDecoder, RetryPolicy, unexpected_html_page};

use super::dedup::{Dedup, Verdict};
use super::line::LogLine;
use super::source::{Feed, LineSelection, OpenLog, Source};

/// Default time for which a lost connection is retried.
pub(super) const PATIENCE: Duration = Duration::from_secs(60 * 60);
/// Time within which the API reports an error. A success may take longer: the API sends no head before the first
/// line or heartbeat.
const PROMPT: Duration = Duration::from_secs(10);
/// Time within which the request is sent, so that lines logged from then on are included.
const SENT: Duration = Duration::from_millis(500);
/// A connection that lasted this long counts as good even if no line came. Longer than one heartbeat.
const STEADY: Duration = Duration::from_secs(60);
/// Number of characters of an unreadable line that an error shows.
const SHOWN: usize = 60;

/// An event in a log that is followed.
#[derive(Debug)]
#[non_exhaustive]
pub enum LogEvent {
    /// A log line.
    Line(LogLine),
    /// A line was skipped: it is malformed or longer than 256 KiB. The error is `is_decode`.
    Skipped(Error),
    /// The connection was lost for this reason. The stream is reconnecting.
    Interrupted(Error),
    /// Lines may be missing here: after a reconnect, the API no longer had the line that follows the last one
    /// delivered. The API keeps 1,000 lines of a device.
    Missed,
}

/// The log of one device, followed as a `Stream`.
///
/// Polling does all the work. Dropping the stream closes the connection and unsubscribes. It reads ahead only a few
/// buffers of the connection, so a slow reader slows the server down. The server then drops lines and reports this
/// in a line of its own (`is_system`).
///
/// **After a break** (connection closed or lost, silence for 90 s, 429, 5xx) the stream reconnects after a growing
/// random pause. It requests recent lines again and drops those that it delivered before. No line is lost or
/// repeated as long as the API still has the lines in between (it keeps 1,000 lines, for 30 days; otherwise the
/// stream yields [`LogEvent::Missed`]), no more than 1,000 lines have the same `created_at`, and the API receives a
/// line before the 64 that follow it by `created_at`. Lines are compared by their whole content, and equal lines by
/// their number. Before the first line, a reconnect requests lines from the second of the first connection on.
///
/// An error is the last item: any error other than a break (401, 404 …), or a break longer than the
/// [patience](super::Subscribe::patience). With [`RetryPolicy::never`] the first break ends the stream: with an error if
/// the connection was lost, without one if the server closed it.
#[doc(alias = "unsubscribe")]
#[doc(alias = "unsubscribe_all")]
#[doc(alias = "stop")]
pub struct LogStream {
    core: Arc<Core>,
    source: Source,
    wanted: LineSelection,
    patience: Duration,
    state: State,
    lines: LineDecoder,
    seen: Dedup,
    /// Events to yield before any other work.
    events: VecDeque<LogEvent>,
    skipped: u64,
    /// Whether the log was never open. A failure is then reported without a retry.
    is_first: bool,
    /// Number of breaks since the last new line, and the time spent on them.
    breaks: u32,
    spent: Duration,
}

enum State {
    /// Not started; polling opens it.
    New,
    Opening(BoxFuture<'static, Result<OpenLog>>, Instant),
    Open(Box<Connected>),
    Pausing(BoxFuture<'static, ()>),
    /// Ended; holds the error until it is yielded.
    Ended(Option<Error>),
}

struct Connected {
    feed: Feed,
    since: Instant,
    /// Whether anything was received, even a heartbeat.
    heard: bool,
}

impl LogStream {
    pub(super) fn new(core: &Arc<Core>, source: Source, wanted: LineSelection, patience: Duration) -> Self {
        Self {
            core: core.clone(),
            source,
            wanted,
            patience,
            state: State::New,
            lines: LineDecoder::default(),
            seen: Dedup::default(),
            events: VecDeque::new(),
            skipped: 0,
            is_first: false,
            breaks: 0,
            spent: Duration::ZERO,
        }
    }

    /// Starts to open the log without waiting for the response head. Ends the stream if that fails.
    pub(super) async fn begin_at_once(&mut self) {
        self.is_first = true;
        self.begin();
        let State::Opening(opening, _) = &mut self.state else { return };
        match tokio::time::timeout(SENT, opening).await {
            Ok(Ok(start)) => self.opened(start),
            Ok(Err(error)) => self.state = State::Ended(Some(error)),
            Err(_) => {}
        }
    }

    /// Waits for the next event. Returns `None` at the end.
    pub async fn next(&mut self) -> Option<Result<LogEvent>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Returns the device's full uuid, or the caller's key for it as long as the uuid is unknown.
    pub fn device(&self) -> Arc<str> {
        self.source.device()
    }

    /// Returns the number of unreadable lines skipped so far.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Starts to open the log, for the first time or after a break.
    fn begin(&mut self) {
        let wanted = self.wanted_now();
        let opening = self.source.clone().open(self.core.clone(), wanted);
        self.state = State::Opening(Box::pin(opening), Instant::now());
    }

    /// Returns what to request: the caller's lines, or after a break those that continue from the last line.
    fn wanted_now(&mut self) -> LineSelection {
        if self.seen.is_empty() && !self.wanted.is_nothing() {
            // The lines of the first request have not arrived yet.
            return self.wanted.clone();
        }
        self.seen.resume().map_or_else(|| self.wanted.clone(), |from| self.source.again(from))
    }

    fn opened(&mut self, start: OpenLog) {
        self.is_first = false;
        self.source = start.source;
        self.seen.begin(start.at);
        if self.seen.is_empty() && self.source.sends_unrequested(&self.wanted) {
            self.seen.only_from_the_beginning();
        }
        self.state =
            State::Open(Box::new(Connected { feed: start.feed, since: Instant::now(), heard: false }));
    }

    /// Handles the end of the connection.
    fn closed(&mut self, error: Option<Error>) {
        let resumes = self.resumes() && error.as_ref().is_none_or(is_passing);
        if let Some(rest) = self.lines.rest() {
            // A partial line is sent again in full.
            if !resumes || self.source.read(&rest).is_ok() || unexpected_html_page(&rest).is_some() {
                self.line(&rest);
            }
        }
        let State::Open(open) = &self.state else { return };
        let operation = open.feed.operation().to_owned();
        if open.heard && open.since.elapsed() >= STEADY {
            self.had_news();
        }
        match error {
            None if !resumes => self.state = State::Ended(None),
            None => {
                let ended = Error::new(ErrorKind::Unreachable, "the server closed the stream");
                self.schedule_reconnect(ended.with_operation(operation).with_sent(true));
            }
            Some(error) => self.schedule_reconnect(error),
        }
    }

    /// Pauses before the next attempt, or ends the stream if there is none.
    fn schedule_reconnect(&mut self, error: Error) {
        if !self.resumes() || !is_passing(&error) {
            self.state = State::Ended(Some(error));
            return;
        }
        self.breaks = self.breaks.saturating_add(1);
        let pause = RetryPolicy::delay_after(self.breaks, &error);
        self.spent = self.spent.saturating_add(pause);
        if self.spent > self.patience {
            let error = error
                .with_attempts(self.breaks)
                .with_help("the log was interrupted for longer than the patience allows; subscribe again once the connection works");
            self.state = State::Ended(Some(error));
            return;
        }
        tracing::debug!(device = %self.device(), ?pause, %error, "the log is being opened anew");
        if self.breaks == 1 {
            self.events.push_back(LogEvent::Interrupted(error));
        }
        self.state = State::Pausing(self.core.http.clock.sleep(pause));
    }

    fn resumes(&self) -> bool {
        self.core.http.retry.allows_attempt(1)
    }

    fn had_news(&mut self) {
        self.breaks = 0;
        self.spent = Duration::ZERO;
    }

    /// Parses a line and yields it if it is new.
    fn line(&mut self, text: &Bytes) {
        if text.iter().all(u8::is_ascii_whitespace) {
            // A heartbeat comes after all earlier lines.
            self.wanted = LineSelection::default();
            return;
        }
        if self.source.is_remark(text) {
            return;
        }
        match self.source.read(text) {
            Ok((line, mark)) => {
                let at = line.created_at.or(line.timestamp).map(jiff::Timestamp::as_millisecond);
                let verdict = match mark {
                    Some(mark) => self.seen.judge(at, mark),
                    None => self.seen.judge(at, &line),
                };
                if verdict == Verdict::NewAfterGap {
                    self.events.push_back(LogEvent::Missed);
                }
                if verdict != Verdict::Known {
                    self.had_news();
                    self.events.push_back(LogEvent::Line(line));
                }
            }
            Err(why) => match unexpected_html_page(text) {
                Some(page) => {
                    let text = format!("a log can't be read: it is {page}");
                    let error = self.of_the_feed(Error::new(ErrorKind::Decode, text));
                    self.state = State::Ended(Some(error.with_help("is no proxy or portal in between?")));
                }
                None => self.skip(text, format_args!("a line can't be read: {why}")),
            },
        }
    }

    fn of_the_feed(&self, error: Error) -> Error {
        match &self.state {
            State::Open(open) => error.with_operation(open.feed.operation().to_owned()).with_sent(true),
            _ => error.with_sent(true),
        }
    }

    fn skip(&mut self, text: &[u8], why: fmt::Arguments<'_>) {
        if self.seen.judge(None, text) == Verdict::Known {
            return;
        }
        self.skipped = self.skipped.saturating_add(1);
        let head: String =
            String::from_utf8_lossy(text.get(..SHOWN * 4).unwrap_or(text)).chars().take(SHOWN).collect();
        let error =
            Error::new(ErrorKind::Decode, format!("{why}; it begins with \"{}\"", head.escape_debug()));
        let error = self.of_the_feed(error);
        self.events.push_back(LogEvent::Skipped(error));
    }
}

/// Returns whether another attempt may succeed.
fn is_passing(error: &Error) -> bool {
    let passing = [ErrorKind::Unreachable, ErrorKind::Timeout, ErrorKind::RateLimited, ErrorKind::Server];
    passing.contains(&error.kind()) && !error.is_permanent()
}

impl Stream for LogStream {
    type Item = Result<LogEvent>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(event) = this.events.pop_front() {
                return Poll::Ready(Some(Ok(event)));
            }
            match &mut this.state {
                State::New => this.begin(),
                State::Opening(opening, since) => match ready!(opening.as_mut().poll(cx)) {
                    Ok(start) => this.opened(start),
                    Err(error) if this.is_first && since.elapsed() < PROMPT => {
                        this.state = State::Ended(Some(error));
                    }
                    Err(error) => {
                        this.is_first = false;
                        this.spent = this.spent.saturating_add(since.elapsed());
                        this.schedule_reconnect(error);
                    }
                },
                State::Open(open) => match this.lines.next() {
                    Some(Line::Whole(line)) => this.line(&line),
                    Some(Line::Cut(line)) => {
                        let limit = line.len() / 1024;
                        this.skip(&line, format_args!("a line is longer than {limit} KiB"));
                    }
                    None => match ready!(open.feed.poll_next(cx)) {
                        Some(Ok(piece)) => {
                            open.heard = true;
                            this.lines.push(piece);
                        }
                        Some(Err(error)) => this.closed(Some(error)),
                        None => this.closed(None),
                    },
                },
                State::Pausing(pause) => {
                    ready!(pause.as_mut().poll(cx));
                    this.begin();
                }
                State::Ended(error) => return Poll::Ready(error.take().map(Err)),
            }
        }
    }
}

impl fmt::Debug for LogStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogStream").field("device", &self.device()).finish_non_exhaustive()
    }
}
