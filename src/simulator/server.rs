//! Connections: how they are accepted, kept alive and closed.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::faults::Fault;
use super::lock;
use super::process::Process;
use super::request::{Call, Outcome};
use super::response::{Body, ServerResponse};
use super::routes::{self, Endpoint, Route};
use super::serve;
use super::socket::{Activity, InFlight, Socket};

/// Idle time after which a connection is closed; the `Keep-Alive` header announces it.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
const KEEP_ALIVE_HEADER: HeaderValue = HeaderValue::from_static("timeout=5");
/// Longest request head, in bytes.
const LONGEST_HEAD: usize = 16 * 1024;
/// Longest body that is read in order to reject it, in bytes. A longer one closes the connection.
const LONGEST_BODY: usize = 64 * 1024 * 1024;
/// Time for a response to be sent after the supervisor stopped serving.
const DRAIN_LIMIT: Duration = Duration::from_millis(100);
/// Time from the start of a request to the injected crash.
const CRASH_DELAY: Duration = Duration::from_millis(50);

/// The lock holder named by the fault [`Fault::Locked`].
const LOCKED: &str = "Lockfile exists for { appId: 0, service: simulated }";
/// Response of older supervisors that report a lock with 503.
const UPDATES_LOCKED: &str = "Updates are locked: EEXIST: file already exists, open \
'/mnt/root/tmp/balena-supervisor/services/0/simulated/updates.lock'";

/// How a connection ends irregularly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum End {
    #[default]
    Closed,
    Reset,
    Garbage,
}

/// A response body that keeps its connection from counting as idle.
#[derive(Debug)]
struct Tracked {
    body: Body,
    _in_flight: InFlight,
}

impl http_body::Body for Tracked {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

/// Accepts connections until the supervisor stops serving.
pub(super) fn serve(process: &Arc<Process>, listener: TcpListener) {
    let owner = Arc::clone(process);
    process.spawn("accept", async move {
        let closing = owner.closing();
        tokio::pin!(closing);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut closing => return,
                accepted = listener.accept() => accepted,
            };
            if let Ok((stream, _)) = accepted {
                let connection = connection(Arc::clone(&owner), stream);
                owner.spawn("connection", connection);
            }
        }
    });
}

async fn connection(process: Arc<Process>, stream: TcpStream) {
    let (socket, activity) = Socket::new(stream);
    let end = Arc::new(Mutex::new(End::Closed));
    let service = service_fn(|request| {
        let (process, activity, end) = (Arc::clone(&process), Arc::clone(&activity), Arc::clone(&end));
        async move {
            let in_flight = activity.begin();
            let response = respond(&process, request).await;
            response.map(|response| response.map(|body| Tracked { body, _in_flight: in_flight })).map_err(
                |ending| {
                    *lock(&end) = ending;
                    // Any error makes hyper drop the connection without a response.
                    io::Error::other("the connection ends here")
                },
            )
        }
    });
    let mut connection = http1::Builder::new()
        .title_case_headers(true)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(socket, service);
    let in_order = tokio::select! {
        result = &mut connection => result.is_ok(),
        () = idle_timeout(&process, &activity) => true,
    };
    let stream = connection.into_parts().io.into_stream();
    let end = *lock(&end);
    finish(stream, end, in_order).await;
}

/// Ends a connection. `in_order`: HTTP has ended it already.
pub(super) async fn finish(mut stream: TcpStream, end: End, in_order: bool) {
    if end == End::Reset {
        // Zero linger makes the close a reset.
        drop(stream.set_zero_linger());
    } else if end == End::Garbage && !in_order {
        // The client may have disconnected.
        let _ = stream.write_all(b"\x00\x01 balena? 200 perhaps\r\n\xff\xfe\r\n\r\n").await;
    }
}

/// Resolves when a connection was idle for too long or the supervisor stopped serving.
async fn idle_timeout(process: &Process, activity: &Activity) {
    let closed = async {
        process.closing().await;
        tokio::time::sleep(DRAIN_LIMIT).await;
        while activity.is_busy() {
            tokio::time::sleep(DRAIN_LIMIT).await;
        }
    };
    let idle = async {
        loop {
            let idle = activity.idle().unwrap_or_default();
            if idle >= KEEP_ALIVE {
                return;
            }
            tokio::time::sleep(KEEP_ALIVE.saturating_sub(idle)).await;
        }
    };
    tokio::select! {
        () = closed => {}
        () = idle => {}
    }
}

async fn respond(process: &Arc<Process>, request: Request<Incoming>) -> Result<Response<Body>, End> {
    let (head, body) = request.into_parts();
    let keep_alive = keeps_alive(head.version, &head.headers);
    let nameless = head.version == Version::HTTP_11 && !head.headers.contains_key(header::HOST);
    if nameless || !is_known(&head.method) {
        return Ok(bad_request());
    }
    if head.version == Version::HTTP_11 && head.headers.get(header::EXPECT).is_some_and(is_unmet) {
        return Ok(framed(
            ServerResponse::empty(StatusCode::EXPECTATION_FAILED),
            &head.method,
            &head.headers,
            None,
            keep_alive,
        ));
    }
    let (path, query) = serve::target(&head.uri);
    process.machine.faults.record(head.method.as_str(), &path);
    let endpoint = match routes::find(&head.method, &path) {
        Route::To(endpoint, _) => Some(endpoint),
        _ => None,
    };
    let fault = process.machine.faults.next(&path, endpoint.is_some_and(Endpoint::takes_locks));
    let body = collect(body).await?;
    let method = head.method.clone();
    let call = Call { method: head.method, path, query, headers: head.headers.clone(), body };
    let answer = match early(fault, endpoint).await? {
        Some(answer) => answer,
        None => handled(process, call, fault).await?,
    };
    let drip = match fault {
        Some(Fault::Drip(pause)) => Some(pause),
        _ => None,
    };
    Ok(framed(answer.with_first_chunk().await, &method, &head.headers, drip, keep_alive))
}

/// Frames a response, including whether the connection is kept.
fn framed(
    answer: ServerResponse,
    method: &Method,
    request: &HeaderMap,
    drip: Option<Duration>,
    keep_alive: bool,
) -> Response<Body> {
    let mut response = answer.frame(method, request, drip);
    let headers = response.headers_mut();
    if keep_alive {
        headers.insert(header::CONNECTION, HeaderValue::from_static("keep-alive"));
        headers.insert("keep-alive", KEEP_ALIVE_HEADER);
    } else {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Returns whether the `Expect` header is anything but `100-continue`.
fn is_unmet(expectation: &HeaderValue) -> bool {
    let expectation = expectation.to_str().unwrap_or_default().to_ascii_lowercase();
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !expectation.match_indices("100-continue").any(|(start, found)| {
        let (before, after) = (expectation.get(..start), expectation.get(start + found.len()..));
        let apart = |neighbour: Option<char>| !neighbour.is_some_and(word);
        apart(before.and_then(|text| text.chars().next_back()))
            && apart(after.and_then(|text| text.chars().next()))
    })
}

/// The lock error, in the endpoint's format.
fn refused(status: StatusCode, message: &str, endpoint: Option<Endpoint>) -> ServerResponse {
    match endpoint {
        Some(Endpoint::Reboot | Endpoint::Shutdown) => ServerResponse::go(status, "", Some(message)),
        Some(Endpoint::SetHostConfig) => ServerResponse::html_text(status, message),
        _ => ServerResponse::failed(status, message),
    }
}

/// Applies the faults that act before the request is handled.
pub(super) async fn early(
    fault: Option<Fault>,
    endpoint: Option<Endpoint>,
) -> Result<Option<ServerResponse>, End> {
    Ok(match fault {
        Some(Fault::ResetBefore) => return Err(End::Reset),
        Some(Fault::Close) => return Err(End::Closed),
        Some(Fault::Garbage) => return Err(End::Garbage),
        Some(Fault::Silence) => std::future::pending().await,
        Some(Fault::Delay(delay)) => {
            tokio::time::sleep(delay).await;
            None
        }
        Some(Fault::Status(status)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            Some(ServerResponse::status(status))
        }
        Some(Fault::TooManyRequests(wait)) => Some(ServerResponse::too_many_requests(wait)),
        Some(Fault::Locked) => Some(refused(StatusCode::LOCKED, LOCKED, endpoint)),
        Some(Fault::LockedAs503) => Some(refused(StatusCode::SERVICE_UNAVAILABLE, UPDATES_LOCKED, endpoint)),
        Some(Fault::ResetAfter | Fault::Restart(_) | Fault::Drip(_)) | None => None,
    })
}

/// Handles the request in its own task: it continues when the client disconnects.
async fn handled(process: &Arc<Process>, call: Call, fault: Option<Fault>) -> Result<ServerResponse, End> {
    let (sender, receiver) = oneshot::channel();
    let owner = Arc::clone(process);
    process.spawn("request", async move {
        let outcome = serve::handle(&owner, call).await;
        // The client may have disconnected.
        let _ = sender.send(outcome);
    });
    if let Some(Fault::Restart(downtime)) = fault {
        tokio::time::sleep(CRASH_DELAY).await;
        process.crash(downtime);
        return std::future::pending().await;
    }
    match receiver.await {
        Ok(Outcome::Answer(_)) if fault == Some(Fault::ResetAfter) => Err(End::Reset),
        Ok(Outcome::Answer(answer)) => Ok(answer),
        Ok(Outcome::Crash) => {
            let restart = lock(&process.machine.timings).restart;
            process.crash(restart);
            std::future::pending().await
        }
        Err(_) => Err(End::Closed),
    }
}

pub(super) async fn collect(mut body: Incoming) -> Result<Bytes, End> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| End::Closed)?;
        if let Some(data) = frame.data_ref() {
            whole.extend_from_slice(data);
        }
        if whole.len() > LONGEST_BODY {
            return Err(End::Closed);
        }
    }
    Ok(whole.into())
}

fn keeps_alive(version: Version, headers: &HeaderMap) -> bool {
    let connection =
        headers.get(header::CONNECTION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let says = |word: &str| connection.split(',').any(|part| part.trim().eq_ignore_ascii_case(word));
    if version == Version::HTTP_11 { !says("close") } else { says("keep-alive") }
}

/// Methods that Node's HTTP parser knows. It rejects others.
fn is_known(method: &Method) -> bool {
    const KNOWN: [&str; 35] = [
        "ACL",
        "BIND",
        "CHECKOUT",
        "CONNECT",
        "COPY",
        "DELETE",
        "GET",
        "HEAD",
        "LINK",
        "LOCK",
        "M-SEARCH",
        "MERGE",
        "MKACTIVITY",
        "MKCALENDAR",
        "MKCOL",
        "MOVE",
        "NOTIFY",
        "OPTIONS",
        "PATCH",
        "POST",
        "PROPFIND",
        "PROPPATCH",
        "PURGE",
        "PUT",
        "QUERY",
        "REBIND",
        "REPORT",
        "SEARCH",
        "SOURCE",
        "SUBSCRIBE",
        "TRACE",
        "UNBIND",
        "UNLINK",
        "UNLOCK",
        "UNSUBSCRIBE",
    ];
    KNOWN.contains(&method.as_str())
}

fn bad_request() -> Response<Body> {
    let mut response = Response::new(Body::Done);
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
