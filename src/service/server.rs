//! The door: accepts connections, a bounded number of them, none for ever.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::{Context, http};
use crate::error::Result;
use crate::tasks::Stop;

/// Connections at a time; further ones wait in the kernel. WebSockets have a limit of their own.
const CONNECTIONS: usize = 64;
/// A client that has not sent its request by then is not going to; also the limit for an idle connection.
/// Less than the 5 s of the health check, which gets a place before it runs out of time even when clients
/// that say nothing hold all of them.
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

/// Accepts until asked to stop.
pub(crate) async fn run(listener: Arc<TcpListener>, context: Arc<Context>, stop: Stop) -> Result<()> {
    let router = http::router(context.clone());
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
            () = stop.requested() => return Ok(()),
        };
        let Some((stream, slot)) = accepted else {
            tokio::select! {
                () = sleep(ACCEPT_PAUSE) => continue,
                () = stop.requested() => return Ok(()),
            }
        };
        let Some(tasks) = context.tasks.upgrade() else { return Ok(()) };
        let (router, stopping) = (router.clone(), tasks.stopping());
        let connection = async move {
            serve(stream, router, stopping).await;
            drop(slot);
        };
        if tasks.spawn("connection", connection).is_err() {
            return Ok(());
        }
    }
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    // First the place, then the connection: what waits in the kernel costs nothing here.
    let slot = slots.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, slot)),
        Err(error) => {
            tracing::warn!(%error, "can't accept a connection");
            None
        }
    }
}

async fn serve(stream: TcpStream, router: Router, stopping: impl Future<Output = ()>) {
    // Answers and events are single small writes: there is nothing to wait for.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_LIMIT)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = sleep(CONNECTION_LIMIT) => finish(connection).await,
        () = stopping => finish(connection).await,
    };
    if let Err(error) = ended {
        // Clients come and go; nobody has to do anything about it.
        tracing::trace!(%error, "connection ended");
    }
}

type Connection = http1::UpgradeableConnection<TokioIo<TcpStream>, TowerToHyperService<Router>>;

async fn finish(mut connection: std::pin::Pin<&mut Connection>) -> hyper::Result<()> {
    connection.as_mut().graceful_shutdown();
    timeout(LAST_ANSWER, connection).await.unwrap_or(Ok(()))
}
