//! Accepts connections: a bounded number of them, each for a bounded time, with slots per address.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use http::header::{self, HeaderValue};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, Service};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::clients::Origin;
use super::connection_slots::{Admission, ConnectionSlot, ConnectionSlots, EvictionPolicy, SlotLimits};
use super::listeners::{Listeners, Stream};
use super::response::{Body, Response};
use super::router::{self, Standing};
use crate::error::Result;
use crate::service::context::Context;
use crate::service::log_rate_limit::LogRateLimit;
use crate::tasks::StopSignal;

/// Simultaneous connections. WebSockets have their own limit.
const CONNECTIONS: SlotLimits = SlotLimits {
    all: 64,
    for_loopback: 8,
    for_one_address: 16,
    for_all_of_loopback: 48,
    giving_way: EvictionPolicy::Anyone(REQUEST_GRACE),
};
/// Time for the first request of a connection, before the connection is the first to be replaced.
const REQUEST_GRACE: Duration = Duration::from_millis(500);
/// With more connections than this, each response to an unknown client closes its connection, so that none is idle.
const KEPT_ALIVE: usize = 40;
/// Requests per connection of an unknown client: one that pipelines thousands must not block the others. The requests
/// of clients have a rate.
const REQUESTS: u32 = 100;
/// Time for a client to send its request head.
const HEADER_LIMIT: Duration = Duration::from_secs(4);
/// Lifetime of a connection. After it, the connection closes with the current response: when its handler has answered,
/// which takes a bounded time (a lease may be waited for 300 s), and at the latest 2 s later, even if the client does
/// not read.
const CONNECTION_LIMIT: Duration = Duration::from_secs(60);
/// Time to finish the current response when a connection closes.
const LAST_ANSWER: Duration = Duration::from_secs(2);
/// Longest request head and largest buffer of a connection, in bytes. Bodies have a limit of their own.
const HEAD_LIMIT: usize = 16 * 1024;
/// Pause after a failed accept: without free file descriptors every accept fails at once.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// Pause after an accepted connection that replaced another one: each of the 48 keeps its slot for at least 48 times
/// this.
const PACE: Duration = Duration::from_millis(3);
/// Time for a replaced connection to close.
const CLOSING: Duration = Duration::from_millis(10);

/// Accepts connections until asked to stop.
pub(crate) async fn run(listeners: Arc<Listeners>, context: Arc<Context>, stop: StopSignal) -> Result<()> {
    let places = ConnectionSlots::new(CONNECTIONS);
    let mut log = Log::new();
    loop {
        let accepted = tokio::select! {
            accepted = listeners.accept() => accepted,
            () = stop.requested() => return Ok(()),
        };
        let (stream, origin) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_the_client(&error) => continue,
            Err(error) => {
                log.not_accepted(&error);
                let pause = if places.evict_one() { CLOSING } else { ACCEPT_PAUSE };
                tokio::select! {
                    () = sleep(pause) => continue,
                    () = stop.requested() => return Ok(()),
                }
            }
        };
        let Some(tasks) = context.tasks.upgrade() else { return Ok(()) };
        // With these limits a slot can always be freed.
        let peer = origin.address();
        let Ok((place, admission)) = places.admit(peer) else { continue };
        let connection = serve(stream, origin, place, context.clone(), tasks.stopping());
        if tasks.spawn("connection", connection).is_err() {
            return Ok(());
        }
        drop(tasks);
        // Lets the connection read a request that has already arrived before its slot can be taken. Faster
        // connections wait in the kernel, which receives their requests meanwhile.
        if admission == Admission::Displaced {
            context.meters.displaced();
            log.displaced(peer);
            sleep(PACE).await;
        } else {
            tokio::task::yield_now().await;
        }
    }
}

/// Returns whether the connection ended before it was accepted. The next accept may succeed.
fn is_of_the_client(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}

/// Messages that clients could trigger often. Each is logged at most once a minute.
struct Log {
    displaced: u64,
    displaced_lines: LogRateLimit,
    not_accepted_lines: LogRateLimit,
}

impl Log {
    fn new() -> Self {
        Self { displaced: 0, displaced_lines: LogRateLimit::new(1), not_accepted_lines: LogRateLimit::new(1) }
    }

    fn displaced(&mut self, peer: IpAddr) {
        self.displaced += 1;
        if self.displaced_lines.allows() {
            let closed = std::mem::take(&mut self.displaced);
            tracing::warn!(closed, newest = %peer, "too many connections: closed the least recently active ones");
        }
    }

    fn not_accepted(&mut self, error: &io::Error) {
        if self.not_accepted_lines.allows() {
            tracing::warn!(%error, "can't accept connections; retrying");
        }
    }
}

/// Answers the requests of one connection.
struct Serving {
    context: Arc<Context>,
    place: Arc<ConnectionSlot>,
    origin: Arc<Origin>,
    requests: AtomicU32,
    /// How many requests are being answered.
    under_way: watch::Sender<usize>,
    /// Set once a response is a stream: it has a slot of its own, and no end.
    streams: Arc<AtomicBool>,
}

impl Service<Request<Incoming>> for Serving {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.place.mark_active();
        let before = self.requests.fetch_add(1, Ordering::Relaxed);
        let is_crowded = self.place.held() > KEPT_ALIVE;
        let answer = router::answer(self.context.clone(), self.origin.clone(), request);
        let (place, streams) = (self.place.clone(), self.streams.clone());
        let under_way = UnderWay::count(&self.under_way);
        Box::pin(async move {
            let _under_way = under_way;
            let (mut response, standing) = answer.await;
            let is_last = match standing {
                Standing::Client => false,
                Standing::Unknown => is_crowded || before + 1 >= REQUESTS,
            };
            let is_stream = matches!(response.body(), Body::Stream(_));
            if is_stream {
                streams.store(true, Ordering::Relaxed);
                place.release();
            }
            if (is_last || is_stream) && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                let headers = response.headers_mut();
                headers.entry(header::CONNECTION).or_insert(HeaderValue::from_static("close"));
            }
            Ok(response)
        })
    }
}

/// Counts one request as being answered, until it is dropped.
struct UnderWay(watch::Sender<usize>);

impl UnderWay {
    fn count(requests: &watch::Sender<usize>) -> Self {
        requests.send_modify(|count| *count += 1);
        Self(requests.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

async fn serve(
    stream: Stream,
    origin: Origin,
    place: ConnectionSlot,
    context: Arc<Context>,
    stopping: impl Future<Output = ()>,
) {
    let place = Arc::new(place);
    let streams = Arc::new(AtomicBool::new(false));
    let (under_way, mut answered) = watch::channel(0);
    let limit = {
        let streams = streams.clone();
        async move {
            sleep(CONNECTION_LIMIT).await;
            if streams.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
        }
    };
    let (origin, requests) = (Arc::new(origin), AtomicU32::new(0));
    let serving = Serving { context, place: place.clone(), origin, requests, under_way, streams };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_LIMIT)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), serving)
        .with_upgrades();
    let connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = until_closed(connection, limit, &mut answered, stopping) => ended,
        () = place.evicted() => return,
    };
    if let Err(error) = ended {
        // Connections of clients end all the time; no action is needed.
        tracing::trace!(%error, "connection ended");
    }
}

/// Serves the connection. After `limit` it closes with the current response, when `answered` says that no request is
/// being answered; after `stopping` within 2 s.
async fn until_closed<I, S, B>(
    mut connection: Pin<&mut http1::UpgradeableConnection<I, S>>,
    limit: impl Future<Output = ()>,
    answered: &mut watch::Receiver<usize>,
    stopping: impl Future<Output = ()>,
) -> hyper::Result<()>
where
    S: HttpService<Incoming, ResBody = B, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    B: http_body::Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static,
{
    let mut stopping = std::pin::pin!(stopping);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = limit => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection.as_mut() => return ended,
                _ = answered.wait_for(|requests| *requests == 0) => {}
                () = stopping => {}
            }
        }
        () = stopping.as_mut() => connection.as_mut().graceful_shutdown(),
    }
    timeout(LAST_ANSWER, connection).await.unwrap_or(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;
    use hyper::service::service_fn;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    /// Asks something that takes this long; gives the answer.
    async fn answer_after(time: Duration, stopping: impl Future<Output = ()>) -> String {
        let (mut client, server) = duplex(1024);
        let (under_way, mut answered) = watch::channel(0);
        let service = service_fn(move |_: Request<Incoming>| {
            let under_way = UnderWay::count(&under_way);
            async move {
                let _under_way = under_way;
                sleep(time).await;
                Ok::<_, Infallible>(http::Response::new(Full::new(bytes::Bytes::from_static(b"granted"))))
            }
        });
        let connection =
            http1::Builder::new().serve_connection(TokioIo::new(server), service).with_upgrades();
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        {
            let connection = std::pin::pin!(connection);
            let _ = until_closed(connection, sleep(CONNECTION_LIMIT), &mut answered, stopping).await;
        }
        let mut text = String::new();
        // The end of the connection is an error where it was cut.
        let _ = client.read_to_string(&mut text).await;
        text
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_takes_longer_than_the_life_of_a_connection_arrives() {
        for seconds in [0, 59, 61, 90, 300] {
            let answer = answer_after(Duration::from_secs(seconds), std::future::pending()).await;
            assert!(answer.ends_with("granted"), "after {seconds} s: {answer:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_long_answer_when_the_service_stops() {
        for (stop, seconds) in [(10, 11), (70, 71)] {
            let stopping = sleep(Duration::from_secs(stop));
            assert!(answer_after(Duration::from_secs(seconds), stopping).await.ends_with("granted"));
        }
        let started = tokio::time::Instant::now();
        assert_eq!(answer_after(Duration::from_secs(300), sleep(Duration::from_secs(70))).await, "");
        assert!(started.elapsed() < Duration::from_secs(73));
    }
}
