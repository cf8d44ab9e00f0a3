//! What a parked service answers: it is alive, not ready, and which faults its settings have.
//!
//! A container that ends because of its settings would be started again and again. A parked service takes no lock and
//! sends nothing: it only waits for the correction.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{interval, sleep, timeout};

use super::guards;
use super::listen::listen;
use super::response::{Response, reply};
use crate::error::Result;
use crate::service::config::{DEFAULT_LISTEN, Fault};
use crate::tasks::TaskSet;

/// Connections at once, of loopback and of all others each.
const CONNECTIONS: usize = 16;
/// Time for a client to send its request head; shorter than the 3 s for which a health check tries again.
const HEADER_LIMIT: Duration = Duration::from_millis(1500);
/// Lifetime of a connection: one request.
const CONNECTION_LIMIT: Duration = Duration::from_secs(2);
/// Longest request head, in bytes. Bodies are never read.
const HEAD_LIMIT: usize = 8 * 1024;
/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// Interval between two looks at an address that this machine did not have.
const RETRY: Duration = Duration::from_secs(15);
/// Time to bind the awaited address.
const BIND_LIMIT: Duration = Duration::from_secs(1);
/// Time for the last responses.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);

/// A service whose settings can't work, with its sockets.
#[derive(Debug)]
pub(crate) struct Parked {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    faults: Arc<Vec<Fault>>,
    /// An address that can't be bound, if that is the only fault: the machine may get it later.
    awaited: Option<SocketAddr>,
}

/// Why a parked service ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unparked {
    Shutdown,
    /// The awaited address can be bound now.
    AddressIsThere,
}

impl Parked {
    /// Listens on those of the addresses that can be bound, or on the default address if none can.
    ///
    /// # Errors
    /// Those of listening on the default address.
    pub(crate) async fn bind(
        addresses: &[SocketAddr],
        faults: Vec<Fault>,
        awaited: Option<SocketAddr>,
    ) -> Result<Self> {
        let mut listeners = Vec::new();
        for address in addresses.iter().filter(|address| Some(**address) != awaited) {
            listeners.extend(listen(*address).await.ok());
        }
        if listeners.is_empty() {
            listeners.push(listen(DEFAULT_LISTEN).await?);
        }
        let addresses: Vec<_> = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        let list: Vec<String> =
            (1..).zip(&faults).map(|(number, fault)| format!("({number}) {fault}")).collect();
        tracing::error!(
            ?addresses,
            faults = faults.len(),
            "parked, the settings can't work: {}",
            list.join(" ")
        );
        Ok(Self { listeners, addresses, faults: Arc::new(faults), awaited })
    }

    /// Returns the bound addresses.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Answers until `shutdown` resolves, or until the awaited address can be bound.
    pub(crate) async fn run(self, shutdown: impl Future<Output = ()>) -> Unparked {
        let tasks = TaskSet::new();
        let slots = [Arc::new(Semaphore::new(CONNECTIONS)), Arc::new(Semaphore::new(CONNECTIONS))];
        let mut shutdown = std::pin::pin!(shutdown);
        let mut retry = interval(RETRY);
        let ended = loop {
            tokio::select! {
                accepted = accept(&self.listeners) => {
                    if let Ok((stream, peer)) = accepted {
                        let [loopback, others] = &slots;
                        let slots = if peer.is_loopback() { loopback } else { others };
                        // Without a slot the connection is closed at once: a health check tries again.
                        let Ok(slot) = Arc::clone(slots).try_acquire_owned() else { continue };
                        let faults = Arc::clone(&self.faults);
                        let serving = async move {
                            let _ = timeout(CONNECTION_LIMIT, serve(stream, peer, &faults)).await;
                            drop(slot);
                        };
                        if tasks.spawn("connection", serving).is_err() {
                            break Unparked::Shutdown;
                        }
                    }
                    else {
                        tokio::select! {
                            () = sleep(ACCEPT_PAUSE) => {}
                            () = &mut shutdown => break Unparked::Shutdown,
                        }
                    }
                },
                _ = retry.tick(), if self.awaited.is_some() => {
                    // An address that is there and in use takes longer: the next look may succeed.
                    if let Some(address) = self.awaited
                        && matches!(timeout(BIND_LIMIT, listen(address)).await, Ok(Ok(_)))
                    {
                        break Unparked::AddressIsThere;
                    }
                }
                () = &mut shutdown => break Unparked::Shutdown,
            }
        };
        tasks.drain(DRAIN_LIMIT).await;
        ended
    }
}

/// Accepts a connection of any of the listeners.
async fn accept(listeners: &[TcpListener]) -> io::Result<(TcpStream, IpAddr)> {
    let accepted = poll_fn(|context| {
        listeners
            .iter()
            .map(|listener| listener.poll_accept(context))
            .find(Poll::is_ready)
            .unwrap_or(Poll::Pending)
    });
    accepted.await.map(|(stream, address)| (stream, address.ip().to_canonical()))
}

async fn serve(stream: TcpStream, peer: IpAddr, faults: &[Fault]) {
    let service = service_fn(async |request: Request<Incoming>| {
        let is_own_host = guards::check_host(request.headers(), request.version(), &[]).is_ok();
        let is_local = peer.is_loopback() && is_own_host;
        let told = if is_local { Told::Faults } else { Told::Count };
        Ok::<_, Infallible>(answer(request.method(), request.uri().path(), faults, told))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_LIMIT)
        .max_buf_size(HEAD_LIMIT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        // Connections of clients end all the time; no action is needed.
        tracing::trace!(%error, "connection ended");
    }
}

/// What a client is told of the faults. They contain values of settings, and those are for this machine only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Faults,
    Count,
}

fn answer(method: &Method, path: &str, faults: &[Fault], told: Told) -> Response {
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    if path == "/live" && is_read {
        return reply(StatusCode::OK, &json!({ "status": "ok" }));
    }
    let number = faults.len();
    let word = if number == 1 { "fault" } else { "faults" };
    let reason = format!("parked: the settings have {number} {word}; `balena-agent config check` tells them");
    let mut body = if path == "/ready" && is_read {
        json!({ "status": "unavailable", "reason": reason })
    } else {
        json!({ "error": reason, "kind": "parked" })
    };
    if let (Told::Faults, Some(body)) = (told, body.as_object_mut()) {
        body.insert("faults".to_owned(), json!(faults));
    }
    reply(StatusCode::SERVICE_UNAVAILABLE, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn body(response: Response) -> (u16, serde_json::Value) {
        let status = response.status().as_u16();
        let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn alive_not_ready_and_nothing_else() {
        let fault = Fault { setting: "AGENT_LOG".into(), text: "AGENT_LOG is \"x\": …".into() };
        let faults = [fault];
        for (method, path, told, status, fields) in [
            (Method::GET, "/live", Told::Count, 200, vec!["status"]),
            (Method::GET, "/ready", Told::Faults, 503, vec!["faults", "reason", "status"]),
            (Method::GET, "/ready", Told::Count, 503, vec!["reason", "status"]),
            (Method::GET, "/agent/v1/locks", Told::Faults, 503, vec!["error", "faults", "kind"]),
            (Method::POST, "/live", Told::Count, 503, vec!["error", "kind"]),
            (Method::GET, "/LIVE", Told::Count, 503, vec!["error", "kind"]),
        ] {
            let (got, body) = body(answer(&method, path, &faults, told)).await;
            let names: Vec<&String> = body.as_object().unwrap().keys().collect();
            assert_eq!(
                (got, names),
                (status, fields.iter().map(|f| (*f).to_owned()).collect::<Vec<_>>().iter().collect()),
                "{method} {path}"
            );
            assert_eq!(body.to_string().contains("AGENT_LOG"), told == Told::Faults && path != "/live");
        }
    }

    #[tokio::test]
    async fn it_ends_when_the_awaited_address_is_there() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let awaited = free.local_addr().unwrap();
        drop(free);
        let own = [SocketAddr::from(([127, 0, 0, 1], 0)), awaited];
        let parked = Parked::bind(&own, Vec::new(), Some(awaited)).await.unwrap();
        assert!(!parked.addresses().contains(&awaited));
        assert_eq!(parked.run(std::future::pending()).await, Unparked::AddressIsThere);
        let parked = Parked::bind(&own, Vec::new(), None).await.unwrap();
        assert_eq!(parked.run(std::future::ready(())).await, Unparked::Shutdown);
    }
}
