//! Following one log, over breaks of the connection.

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
use crate::http::{BoxFuture, Line, Lines, Retry};

use super::line::LogLine;
use super::seen::{Seen, Verdict};
use super::source::{Feed, Source, Start, Wanted};

/// How long it is tried to get a log back, unless told otherwise.
pub(super) const PATIENCE: Duration = Duration::from_secs(60 * 60);
/// A refusal has come by then. The head of an answer may not have: a cloud has none to send before it has a line
/// or a beat.
const PROMPT: Duration = Duration::from_secs(10);
/// The request is on its way by then, so that what is logged from now on is not missed.
const SENT: Duration = Duration::from_millis(500);
/// A connection that held for so long was a good one, even if nothing was logged: longer than one beat.
const STEADY: Duration = Duration::from_secs(60);
/// What of a line that can't be read is shown.
const SHOWN: usize = 60;

/// What happens in a log that is followed.
#[derive(Debug)]
#[non_exhaustive]
pub enum LogEvent {
    /// A line.
    Line(LogLine),
    /// A line was left out: it can't be read, or is longer than 256 KiB. The error is `is_decode`.
    Skipped(Error),
    /// The connection was lost, for this reason, and is being established anew.
    Interrupted(Error),
    /// Lines may be missing here: after a break, what follows the last line before it is not there any more.
    /// The cloud keeps 1,000 lines of a device.
    Missed,
}

/// The log of one device as it is written: a `Stream` that ends only for a reason.
///
/// All work is done when it is polled, and dropping it closes the connection: that is how to unsubscribe.
/// Nothing is read ahead beyond a few buffers of the connection, so a slow reader slows the server down, which
/// then leaves lines out and says so in a line of its own (`is_system`).
///
/// **After a break** (the connection closed or broke, silence for 90 s, 429, 5xx) it connects again, after a
/// random pause that grows, and goes on where it was: it asks for what came lately once more and drops what
/// it had. So nothing is lost and nothing comes twice, as long as the cloud still has what came meanwhile
/// (it keeps 1,000 lines, for 30 days; else there is a [`LogEvent::Missed`]), as no more than 1,000 lines have the same
/// `created_at`, and as a line is in the cloud before the 64 that follow it by their `created_at`. Lines are told apart by all that is in them, equal ones by their number.
/// Before the first line, it goes on from the second in which it first connected.
///
/// An error is its last item: anything but a break (401, 404 …), or a break for longer than its
/// [patience](super::Subscribe::patience). With [`Retry::never`] the first break is the end: an
/// error if the connection broke, none if the server closed it.
#[doc(alias = "unsubscribe")]
#[doc(alias = "unsubscribe_all")]
#[doc(alias = "stop")]
pub struct LogStream {
    core: Arc<Core>,
    source: Source,
    wanted: Wanted,
    patience: Duration,
    state: State,
    lines: Lines,
    seen: Seen,
    /// Told next, before anything else is done.
    events: VecDeque<LogEvent>,
    skipped: u64,
    /// It was not open yet, and need not be tried again when that fails.
    is_first: bool,
    /// Breaks, and time spent on them, since there was news.
    breaks: u32,
    spent: Duration,
}

enum State {
    /// To be opened when polled.
    New,
    Opening(BoxFuture<'static, Result<Start>>, Instant),
    Open(Box<Open>),
    Pausing(BoxFuture<'static, ()>),
    /// The error that ended it, until it is told.
    Ended(Option<Error>),
}

struct Open {
    feed: Feed,
    since: Instant,
    /// Whether anything came, be it a beat.
    heard: bool,
}

impl LogStream {
    pub(super) fn new(core: &Arc<Core>, source: Source, wanted: Wanted, patience: Duration) -> Self {
        Self {
            core: core.clone(),
            source,
            wanted,
            patience,
            state: State::New,
            lines: Lines::default(),
            seen: Seen::default(),
            events: VecDeque::new(),
            skipped: 0,
            is_first: false,
            breaks: 0,
            spent: Duration::ZERO,
        }
    }

    /// Begins to open it, and does not wait for the head of the answer. It ends there when that fails.
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

    /// What happens next; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<LogEvent>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// The device: its whole uuid, as far as that is known.
    pub fn device(&self) -> Arc<str> {
        self.source.device()
    }

    /// How many lines were left out so far because they could not be read.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Begins to open it, for the first time or after a break.
    fn begin(&mut self) {
        let wanted = self.wanted_now();
        let opening = self.source.clone().open(self.core.clone(), wanted);
        self.state = State::Opening(Box::pin(opening), Instant::now());
    }

    /// What to ask for: what the caller wants, and after a break what leads on from there.
    fn wanted_now(&mut self) -> Wanted {
        if self.seen.is_empty() && !self.wanted.is_nothing() {
            // Not even what was asked for has come.
            return self.wanted.clone();
        }
        self.seen.resume().map_or_else(|| self.wanted.clone(), |from| self.source.again(from))
    }

    fn opened(&mut self, start: Start) {
        self.is_first = false;
        self.source = start.source;
        self.seen.begin(start.at);
        if self.seen.is_empty() && self.source.tells_too_much(&self.wanted) {
            self.seen.only_from_the_beginning();
        }
        self.state = State::Open(Box::new(Open { feed: start.feed, since: Instant::now(), heard: false }));
    }

    /// What became of the connection.
    fn closed(&mut self, error: Option<Error>) {
        let resumes = self.resumes() && error.as_ref().is_none_or(is_passing);
        if let Some(rest) = self.lines.rest() {
            // Half a line comes again as a whole one.
            if !resumes || self.source.read(&rest).is_ok() {
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
                let ended = Error::new(ErrorKind::Unreachable, "the other side ended the stream");
                self.broke(ended.operation(operation).sent(true));
            }
            Some(error) => self.broke(error),
        }
    }

    /// Pauses before the next try, if there is one.
    fn broke(&mut self, error: Error) {
        if !self.resumes() || !is_passing(&error) {
            self.state = State::Ended(Some(error));
            return;
        }
        self.breaks = self.breaks.saturating_add(1);
        let pause = Retry::pause_after(self.breaks, &error);
        self.spent = self.spent.saturating_add(pause);
        if self.spent > self.patience {
            let error = error
                .with_attempts(self.breaks)
                .help("that is for too long; subscribe anew once it works again");
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
        self.core.http.retry.goes_on(1)
    }

    fn had_news(&mut self) {
        self.breaks = 0;
        self.spent = Duration::ZERO;
    }

    /// Tells a line if it is one, and new.
    fn line(&mut self, text: &Bytes) {
        if text.iter().all(u8::is_ascii_whitespace) {
            // A beat, which comes after all that was there before.
            self.wanted = Wanted::default();
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
            Err(why) => self.skip(text, format_args!("a line can't be read: {why}")),
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
        let error = match &self.state {
            State::Open(open) => error.operation(open.feed.operation().to_owned()),
            _ => error,
        };
        self.events.push_back(LogEvent::Skipped(error.sent(true)));
    }
}

/// Whether it may work the next time.
fn is_passing(error: &Error) -> bool {
    let passing = [ErrorKind::Unreachable, ErrorKind::Timeout, ErrorKind::RateLimited, ErrorKind::Server];
    passing.contains(&error.kind()) && !error.is_lasting()
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
                        this.broke(error);
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
