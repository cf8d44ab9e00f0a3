//! The HTTP server of the cloud: connections, the key, faults, and the record of requests.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use http::header;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::requests::{self, CloudCall};
use crate::simulator::apply::Trigger;
use crate::simulator::faults::{Fault, Faults, Injection};
use crate::simulator::lifecycle::{self, Lifecycle};
use crate::simulator::machine::Machine;
use crate::simulator::response::{Body, ServerResponse};
use crate::simulator::server::{End, collect, early, finish};
use crate::simulator::{keys, lock, random_hex, update, urlencoded};
use crate::tasks::TaskSet;

/// Number of requests that are kept with their bodies; the oldest ones are dropped.
const MOST_REQUESTS: usize = 1000;
/// Length of the accept queue.
const BACKLOG: u32 = 128;

/// A request that the cloud received.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CloudRequest {
    /// HTTP method.
    pub method: String,
    /// Path without query, decoded.
    pub path: String,
    /// Decoded query without a key.
    pub query: Vec<(String, String)>,
    /// JSON body; null without one.
    pub body: Value,
    /// Status of the response; `None` if a fault prevented one.
    pub status: Option<u16>,
}

/// The cloud of a simulated device, see [`Builder::cloud`](crate::simulator::Builder::cloud).
#[derive(Debug, Clone)]
pub struct CloudApi(Arc<Server>);

impl CloudApi {
    /// Returns the base URL, `http://127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("http://{}", self.0.address)
    }

    /// Returns the key of the device.
    pub fn key(&self) -> String {
        self.0.key.clone()
    }

    /// Returns the id of the device.
    pub fn device_id(&self) -> i64 {
        super::DEVICE
    }

    /// Injects a fault.
    pub fn inject(&self, injection: Injection) {
        self.0.faults.inject(injection);
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.0.faults.clear();
    }

    /// Returns the last 1,000 requests, the oldest one first.
    pub fn requests(&self) -> Vec<CloudRequest> {
        lock(&self.0.received).iter().cloned().collect()
    }

    /// Returns the number of requests with this method and path (`/v7/device_tag`), without a limit.
    pub fn request_count(&self, method: &str, path: &str) -> usize {
        let received = self.0.faults.received();
        let same = received.iter().find(|kind| kind.method == method && kind.path == path);
        same.map_or(0, |kind| kind.count)
    }

    /// Returns the rows of a resource (`device_tag`) as they are stored, under the names of version 7.
    pub fn rows(&self, resource: &str) -> Vec<Value> {
        let cloud = lock(&self.0.machine.cloud);
        cloud.rows.of(resource).iter().cloned().map(Value::Object).collect()
    }
}

/// The server.
#[derive(Debug)]
pub(in crate::simulator) struct Server {
    machine: Arc<Machine>,
    lifecycle: Arc<Lifecycle>,
    key: String,
    address: SocketAddr,
    /// Bound but not listening: reserves the port while the cloud is away, so that connections are refused.
    _reserved: TcpSocket,
    faults: Faults,
    received: Mutex<VecDeque<CloudRequest>>,
    away: AtomicBool,
    tasks: TaskSet,
}

/// The address and key of a cloud that is about to be started.
#[derive(Debug)]
pub(in crate::simulator) struct Reserved {
    socket: TcpSocket,
    pub(in crate::simulator) address: SocketAddr,
    pub(in crate::simulator) key: String,
}

impl Reserved {
    /// Takes a free port of loopback, and makes a key.
    pub(in crate::simulator) fn new() -> std::io::Result<Self> {
        let socket = lifecycle::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        Ok(Self { address: socket.local_addr()?, socket, key: random_hex(32) })
    }
}

impl Server {
    /// Starts the server, unless the device begins without a connection.
    pub(in crate::simulator) fn start(
        reserved: Reserved,
        machine: Arc<Machine>,
        lifecycle: Arc<Lifecycle>,
    ) -> std::io::Result<Arc<Self>> {
        let Reserved { socket, address, key } = reserved;
        let online = machine.online();
        let server = Arc::new(Self {
            machine,
            lifecycle,
            key,
            address,
            _reserved: socket,
            faults: Faults::default(),
            received: Mutex::default(),
            away: true.into(),
            tasks: TaskSet::new(),
        });
        if online {
            server.come_back()?;
        }
        Ok(server)
    }

    pub(in crate::simulator) fn api(self: &Arc<Self>) -> CloudApi {
        CloudApi(Arc::clone(self))
    }

    /// Cuts all connections, and refuses new ones.
    pub(in crate::simulator) fn go_away(&self) {
        self.away.store(true, Ordering::Relaxed);
        self.tasks.abort_all();
    }

    /// Listens again. Does nothing if it listens.
    pub(in crate::simulator) fn come_back(self: &Arc<Self>) -> std::io::Result<()> {
        if !self.away.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let listener = lifecycle::bind(self.address)?.listen(BACKLOG)?;
        let server = Arc::clone(self);
        self.spawn("cloud", async move { server.accept(listener).await });
        Ok(())
    }

    fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        if self.tasks.spawn(name, task).is_err() {
            tracing::debug!(task = name, "the simulated cloud has ended and starts nothing more");
        }
    }

    async fn accept(self: Arc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let server = Arc::clone(&self);
                    self.spawn("cloud connection", async move { server.connection(stream).await });
                }
                Err(error) => {
                    tracing::debug!(%error, "the simulated cloud could not accept a connection");
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream) {
        let end = Arc::new(Mutex::new(End::Closed));
        let service = service_fn(|request| {
            let (server, end) = (Arc::clone(&self), Arc::clone(&end));
            async move {
                server.respond(request).await.map_err(|ending| {
                    *lock(&end) = ending;
                    // Any error makes hyper drop the connection without a response.
                    std::io::Error::other("the connection ends here")
                })
            }
        });
        let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        let in_order = (&mut connection).await.is_ok();
        let stream = connection.into_parts().io.into_inner();
        let end = *lock(&end);
        finish(stream, end, in_order).await;
    }

    async fn respond(&self, request: Request<Incoming>) -> Result<Response<Body>, End> {
        let (head, body) = request.into_parts();
        let path = percent_decode_str(head.uri.path()).decode_utf8_lossy().into_owned();
        let mut query = urlencoded::pairs(head.uri.query().unwrap_or_default());
        let authorization = head.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let allowed = keys::presented(&query, authorization).is_some_and(|key| key == self.key);
        query.retain(|(name, _)| name != "apikey");
        self.faults.record(head.method.as_str(), &path);
        let fault = self.faults.next(&path, false);
        let body = collect(body).await?;
        let value = serde_json::from_slice(&body).unwrap_or_default();
        let call =
            CloudCall { method: head.method.clone(), path, query, body: value, body_length: body.len() };
        let early = match early(fault, None).await {
            Err(end) => {
                self.keep(&call, None);
                return Err(end);
            }
            Ok(early) => early,
        };
        let response = match early {
            Some(response) => response,
            None if !allowed && call.path != "/ping" => ServerResponse::empty(StatusCode::UNAUTHORIZED),
            None if is_bad_json(&call) => {
                ServerResponse::html_text(StatusCode::BAD_REQUEST, "<pre>Bad Request</pre>")
            }
            None => self.handle(&call),
        };
        if fault == Some(Fault::ResetAfter) {
            self.keep(&call, None);
            return Err(End::Reset);
        }
        self.keep(&call, Some(response.code()));
        let drip = match fault {
            Some(Fault::Drip(pause)) => Some(pause),
            _ => None,
        };
        Ok(response.frame(&head.method, &head.headers, drip))
    }

    fn handle(&self, call: &CloudCall) -> ServerResponse {
        let handled = requests::handle(&self.machine, call);
        if handled.new_target {
            self.machine.retarget();
            self.notify();
        }
        handled.response
    }

    /// Tells the device to ask for its target, as the cloud does through the VPN.
    fn notify(&self) {
        let process = lock(&self.lifecycle.process).clone();
        let instant = self.machine.settings(|settings| settings.instant_updates());
        if let Some(process) = process.filter(|_| instant && self.machine.online()) {
            update::request(&process, Trigger::default());
        }
    }

    fn keep(&self, call: &CloudCall, status: Option<u16>) {
        let mut received = lock(&self.received);
        if received.len() >= MOST_REQUESTS {
            received.pop_front();
        }
        received.push_back(CloudRequest {
            method: call.method.to_string(),
            path: call.path.clone(),
            query: call.query.clone(),
            body: call.body.clone(),
            status,
        });
    }

    /// Ends everything at once.
    pub(in crate::simulator) fn abort(&self) {
        self.go_away();
    }
}

/// Whether a body was sent that is no JSON.
fn is_bad_json(call: &CloudCall) -> bool {
    let writes = call.method == Method::POST || call.method == Method::PATCH;
    writes && call.body_length > 0 && call.body.is_null()
}
