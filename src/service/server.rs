//! Accepts connections, a bounded number of them, none for ever, and none at the cost of the others.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::log_limit::LogLimit;
use super::places::{Admission, GivingWay, Limits, Place, Places};
use super::{Context, http};
use crate::error::Result;
use crate::tasks::Stop;

/// Connections at a time. WebSockets have a limit of their own.
const CONNECTIONS: Limits = Limits {
    all: 64,
    for_loopback: 8,
    for_one_address: 16,
    for_all_of_loopback: 48,
    giving_way: GivingWay::Anyone,
};
/// With more connections than this, each answer is the last one of its connection: none is idle then.
const KEPT_ALIVE: usize = 40;
/// Requests of one connection: a client that sends thousands at once must not keep the others waiting.
const REQUESTS: u32 = 100;
/// A client that has not sent its request by then is not going to.
const HEADER_LIMIT: Duration = Duration::from_secs(4);
/// A connection is closed at the next occasion after this time, and a moment later in any case: also a
/// client that does not read its answers must let go of its place.
const CONNECTION_LIMIT: Duration = Duration::from_secs(60);
/// For the answer that is being sent when a connection has to close.
const LAST_ANSWER: Duration = Duration::from_secs(2);
/// Largest request head, and what one connection's buffer can grow to. Bodies are never read.
const HEAD_LIMIT: usize = 16 * 1024;
/// Without file descriptors every accept fails at once: try again when some may have been closed.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// Between two connections for which others have to go: 48 of them have a place for at least 48 times this.
const PACE: Duration = Duration::from_millis(1);
/// For a connection that gives way, to be closed.
const CLOSING: Duration = Duration::from_millis(10);

/// Accepts until asked to stop.
pub(crate) async fn run(listener: Arc<TcpListener>, context: Arc<Context>, stop: Stop) -> Result<()> {
    let router = http::router(context.clone());
    let places = Places::new(CONNECTIONS);
    let mut log = Log::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.requested() => return Ok(()),
        };
        let (stream, peer) = match accepted {
            Ok((stream, address)) => (stream, address.ip()),
            Err(error) if is_of_the_client(&error) => continue,
            Err(error) => {
                log.not_accepted(&error);
                let pause = if places.displace_one() { CLOSING } else { ACCEPT_PAUSE };
                tokio::select! {
                    () = sleep(pause) => continue,
                    () = stop.requested() => return Ok(()),
                }
            }
        };
        let Some(tasks) = context.tasks.upgrade() else { return Ok(()) };
        // Somebody gives way, always.
        let Ok((place, admission)) = places.admit(peer) else { continue };
        let connection = serve(stream, peer, place, router.clone(), tasks.stopping());
        if tasks.spawn("connection", connection).is_err() {
            return Ok(());
        }
        drop(tasks);
        // So that it reads a request that is there already, before its place can be wanted for another one. When
        // they come faster than that, they wait in the kernel, where their requests arrive all the same.
        if admission == Admission::Displaced {
            context.meters.displaced();
            log.displaced(peer);
            sleep(PACE).await;
        } else {
            tokio::task::yield_now().await;
        }
    }
}

/// Whether a connection was gone before it was accepted: the next one may be well.
fn is_of_the_client(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}

/// What many clients could make us say many times: once a minute.
struct Log {
    displaced: u64,
    displaced_lines: LogLimit,
    not_accepted_lines: LogLimit,
}

impl Log {
    fn new() -> Self {
        Self { displaced: 0, displaced_lines: LogLimit::new(1), not_accepted_lines: LogLimit::new(1) }
    }

    fn displaced(&mut self, peer: IpAddr) {
        self.displaced += 1;
        if self.displaced_lines.allows() {
            let closed = std::mem::take(&mut self.displaced);
            tracing::warn!(closed, newest = %peer, "too many connections: those that waited longest were closed");
        }
    }

    fn not_accepted(&mut self, error: &io::Error) {
        if self.not_accepted_lines.allows() {
            tracing::warn!(%error, "can't accept connections; going on trying");
        }
    }
}

/// The address of the client, with its request.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClientAddress(pub(super) IpAddr);

/// Marks a request whose answer is the last one of its connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct LastRequest;

/// The router for one connection: notes that a whole request came, and from where.
struct Serving {
    router: TowerToHyperService<Router>,
    place: Arc<Place>,
    peer: IpAddr,
    requests: AtomicU32,
}

impl Service<Request<Incoming>> for Serving {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Future;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        self.place.show();
        request.extensions_mut().insert(ClientAddress(self.peer));
        let before = self.requests.fetch_add(1, Ordering::Relaxed);
        if before + 1 >= REQUESTS || self.place.held() > KEPT_ALIVE {
            request.extensions_mut().insert(LastRequest);
        }
        self.router.call(request)
    }
}

async fn serve(
    stream: TcpStream,
    peer: IpAddr,
    place: Place,
    router: Router,
    stopping: impl Future<Output = ()>,
) {
    let place = Arc::new(place);
    let serving = Serving {
        router: TowerToHyperService::new(router),
        place: place.clone(),
        peer,
        requests: AtomicU32::new(0),
    };
    // Answers and events are single small writes: there is nothing to wait for.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_LIMIT)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), serving)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = place.displaced() => return,
        () = sleep(CONNECTION_LIMIT) => finish(connection).await,
        () = stopping => finish(connection).await,
    };
    if let Err(error) = ended {
        // Clients come and go; nobody has to do anything about it.
        tracing::trace!(%error, "connection ended");
    }
}

type Connection = http1::UpgradeableConnection<TokioIo<TcpStream>, Serving>;

async fn finish(mut connection: std::pin::Pin<&mut Connection>) -> hyper::Result<()> {
    connection.as_mut().graceful_shutdown();
    timeout(LAST_ANSWER, connection).await.unwrap_or(Ok(()))
}
