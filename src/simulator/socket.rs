//! The socket of a connection for hyper, which records when it was last used.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::lock;

/// Size of a read, in bytes.
const CHUNK: usize = 8 * 1024;

/// When a connection was last used, and whether a request is in progress.
#[derive(Debug)]
pub(super) struct Activity(Mutex<State>);

#[derive(Debug)]
struct State {
    last: Instant,
    /// Whether there was a request. A connection without one is new, not idle.
    requests: bool,
    in_flight: usize,
}

impl Activity {
    fn touch(&self) {
        lock(&self.0).last = Instant::now();
    }

    /// Marks a request as in progress until the guard is dropped after the last byte of the response.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        let mut state = lock(&self.0);
        state.requests = true;
        state.in_flight += 1;
        InFlight(Arc::clone(self))
    }

    /// Returns how long the connection has been idle between two requests; `None` if it is not idle.
    pub(super) fn idle(&self) -> Option<Duration> {
        let state = lock(&self.0);
        (state.in_flight == 0 && state.requests).then(|| state.last.elapsed())
    }

    pub(super) fn is_busy(&self) -> bool {
        lock(&self.0).in_flight > 0
    }
}

/// A request in progress.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Activity>);

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = lock(&self.0.0);
        state.in_flight = state.in_flight.saturating_sub(1);
        state.last = Instant::now();
    }
}

#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    activity: Arc<Activity>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream) -> (Self, Arc<Activity>) {
        let state = State { last: Instant::now(), requests: false, in_flight: 0 };
        let activity = Arc::new(Activity(Mutex::new(state)));
        (Self { stream, activity: Arc::clone(&activity) }, activity)
    }

    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
    }
}

impl Read for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let mut chunk = [0; CHUNK];
        let room = cursor.remaining().min(CHUNK);
        let mut buffer = ReadBuf::new(chunk.get_mut(..room).unwrap_or_default());
        ready!(Pin::new(&mut this.stream).poll_read(context, &mut buffer))?;
        this.activity.touch();
        // A copy is cheap here; handing out hyper's buffer would need unsafe code.
        cursor.put_slice(buffer.filled());
        Poll::Ready(Ok(()))
    }
}

impl Write for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.activity.touch();
        Pin::new(&mut this.stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
