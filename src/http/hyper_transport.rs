//! Plain HTTP/1.1 over TCP or a Unix socket, directly on hyper: for the supervisor and for the service of this crate.
//!
//! There is no background task: the future that waits for a response also drives its connection. Idle connections are
//! kept for less time than the server keeps them.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Instant;

use super::{Body, BoxFuture, FreshConnection, Request, Response, Transport, TransportError};

/// Longest idle time of a connection that is reused. The supervisor closes idle connections after 5 s; the margin
/// avoids a request on a connection that is being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// Maximum number of idle connections. Further ones are closed after their response.
const MAX_IDLE_CONNECTIONS: usize = 8;
/// Timeout for connecting. The server is on this device, so a longer wait is useless (reference §7.5).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The address of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ServerAddress {
    /// `host:port`; the host is resolved at each connection.
    Tcp(String),
    /// Path of a Unix socket.
    Unix(PathBuf),
}

/// A transport to one server, with its idle connections.
pub(crate) struct HyperTransport {
    endpoint: ServerAddress,
    idle: Arc<Mutex<Vec<Connection>>>,
}

type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    /// Reads and writes the connection. `None` once the connection is closed: dropping the driver returns queued
    /// requests.
    driver: Option<Driver>,
    idle_since: Instant,
}

impl HyperTransport {
    pub(crate) fn new(endpoint: ServerAddress) -> Self {
        Self { endpoint, idle: Arc::default() }
    }

    async fn connect(&self) -> Result<Connection, TransportError> {
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, async {
            match &self.endpoint {
                ServerAddress::Tcp(address) => {
                    let stream = TcpStream::connect(address.as_str()).await?;
                    // Requests are single small writes: Nagle's algorithm would only delay them.
                    stream.set_nodelay(true)?;
                    Ok(handshake(Box::new(stream)).await?)
                }
                ServerAddress::Unix(path) => Ok(handshake(Box::new(UnixStream::connect(path).await?)).await?),
            }
        });
        let cause: Box<dyn std::error::Error + Send + Sync> = match connected.await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(cause)) => cause,
            Err(_) => {
                let text = format!("no connection within {} s", CONNECT_TIMEOUT.as_secs());
                io::Error::new(io::ErrorKind::TimedOut, text).into()
            }
        };
        Err(TransportError { sent: false, reused: false, cause })
    }

    /// Returns an idle connection that is still open and not too old.
    async fn reuse(&self) -> Option<Connection> {
        loop {
            let mut connection = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if connection.is_fresh() && connection.is_ready().await {
                return Some(connection);
            }
        }
    }

    /// Sends the request and returns the response. Sets `left` before the first byte may be sent.
    async fn exchange(&self, mut request: Request, left: &AtomicBool) -> Result<Response, TransportError> {
        let fresh = request.extensions_mut().remove::<FreshConnection>().is_some();
        let idle = if fresh { None } else { self.reuse().await };
        let reused = idle.is_some();
        let connection = match idle {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        left.store(true, Ordering::Relaxed);
        self.send_on(connection, request.map(Full::new), reused).await
    }

    async fn send_on(
        &self,
        mut connection: Connection,
        request: http::Request<Full<Bytes>>,
        reused: bool,
    ) -> Result<Response, TransportError> {
        let mut response = pin!(connection.sender.try_send_request(request));
        let response = poll_fn(|cx| {
            // The driver writes the request and reads the response; its error is returned by `response`.
            connection.drive(cx);
            response.as_mut().poll(cx)
        })
        .await;
        match response {
            Ok(response) => Ok(response.map(|incoming| {
                Body::new(PooledBody {
                    incoming,
                    connection: connection.driver.is_some().then_some(connection),
                    idle: self.idle.clone(),
                })
            })),
            // hyper returns the request if it did not write it.
            Err(mut refused) => Err(TransportError {
                sent: refused.take_message().is_none(),
                reused,
                cause: refused.into_error().into(),
            }),
        }
    }
}

/// A TCP or Unix socket. One type for both, because hyper's connection is compiled for each type.
trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket for S {}

async fn handshake(stream: Box<dyn Socket>) -> hyper::Result<Connection> {
    let (sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
    Ok(Connection { sender, driver: Some(Box::pin(driver)), idle_since: Instant::now() })
}

impl Connection {
    /// Polls the connection: writes, reads, notices a close.
    fn drive(&mut self, cx: &mut Context<'_>) {
        if self.driver.as_mut().is_some_and(|driver| driver.as_mut().poll(cx).is_ready()) {
            self.driver = None;
        }
    }

    fn is_fresh(&self) -> bool {
        self.idle_since.elapsed() < IDLE_TIMEOUT
    }

    /// Returns whether a request can be sent immediately. Does not wait: a busy connection, e.g. one that still writes
    /// a request whose response came early, is not reused.
    async fn is_ready(&mut self) -> bool {
        poll_fn(|cx| {
            self.drive(cx);
            let ready = matches!(self.sender.poll_ready(cx), Poll::Ready(Ok(())));
            Poll::Ready(self.driver.is_some() && ready)
        })
        .await
    }
}

impl Transport for HyperTransport {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(async move { self.exchange(request, &AtomicBool::new(false)).await })
    }

    fn send_tracked<'a>(
        &'a self,
        request: Request,
        left: &'a AtomicBool,
    ) -> BoxFuture<'a, Result<Response, TransportError>> {
        Box::pin(self.exchange(request, left))
    }
}

impl fmt::Debug for HyperTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransport").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// The body of a response, and its connection, which returns to the idle connections at the end of the body.
struct PooledBody {
    incoming: Incoming,
    connection: Option<Connection>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl PooledBody {
    /// Returns the connection to the idle ones, if it is open and there are not too many.
    fn keep_connection(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        connection.idle_since = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // The newest connection is reused first, so the others may have become too old.
        idle.retain(Connection::is_fresh);
        if idle.len() < MAX_IDLE_CONNECTIONS && !connection.sender.is_closed() {
            idle.push(connection);
        }
    }
}

impl Stream for PooledBody {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(connection) = &mut this.connection {
                connection.drive(cx);
                if connection.driver.is_none() {
                    this.connection = None;
                }
            }
            match Pin::new(&mut this.incoming).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => {
                    this.keep_connection();
                    return Poll::Ready(None);
                }
                Poll::Ready(Some(Err(cause))) => {
                    this.connection = None;
                    let error = TransportError { sent: true, reused: false, cause: cause.into() };
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers are not used.
                    let Ok(data) = frame.into_data() else { continue };
                    if this.incoming.is_end_stream() {
                        this.keep_connection();
                    }
                    return Poll::Ready(Some(Ok(data)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> http::Request<Full<Bytes>> {
        http::Request::get("/").header("host", "x").body(Full::default()).unwrap()
    }

    /// The server closes the connection between the check of an idle connection and its use. With sockets this is too
    /// rare to test.
    #[tokio::test]
    async fn a_connection_that_closes_before_the_request_is_written_gives_it_back() {
        let plain = HyperTransport::new(ServerAddress::Unix("/nowhere".into()));
        let (ours, theirs) = tokio::io::duplex(1024);
        let connection = handshake(Box::new(ours)).await.unwrap();
        drop(theirs);
        let exchange = plain.send_on(connection, request(), true);
        let result = tokio::time::timeout(Duration::from_secs(5), exchange).await;
        let error = result.expect("it waits for a response that can't come").unwrap_err();
        assert!(error.reused && !error.sent, "{error:?}");
    }

    #[tokio::test]
    async fn idle_connections_that_are_over_are_let_go() {
        let plain = HyperTransport::new(ServerAddress::Unix("/nowhere".into()));
        let mut others = Vec::new();
        for _ in 0..MAX_IDLE_CONNECTIONS {
            let (ours, theirs) = tokio::io::duplex(1024);
            others.push(theirs);
            let connection = handshake(Box::new(ours)).await.unwrap();
            plain.idle.lock().unwrap().push(connection);
        }
        drop(others.pop());
        assert!(plain.reuse().await.is_some(), "one that is open is not used");
        others.clear();
        assert!(plain.reuse().await.is_none());
        assert!(plain.idle.lock().unwrap().is_empty());
    }
}
