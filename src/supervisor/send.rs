//! Sends requests to the supervisor, and handles missing and incomplete responses.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use http::header;
use tokio::time::Instant;

use crate::error::{BODY_LIMIT, Error, ErrorKind, Result};
use crate::http::{Body, BodyError, FreshConnection, TransportError, connection_lost_kind};

use super::client::{Supervisor, SupervisorConnection};
use super::endpoint::Retryability;
use super::patience::with_patience;
use super::redact::SPELLING;
use super::request::RequestSpec;
use super::response::{LOOK, StreamingResponse, SupervisorResponse, timeout_error};

/// Largest buffered response, in bytes.
const RESPONSE_LIMIT: usize = 64 * 1024 * 1024;

/// Status, content type and unread body of a response.
struct Head {
    status: u16,
    is_html: bool,
    body: Body,
}

impl Supervisor {
    /// Sends the request and reads the response. Returns also the number of attempts. Not generic, so it is compiled
    /// once for all endpoints.
    pub(crate) async fn execute(
        &self,
        spec: RequestSpec,
        deadline: Option<Duration>,
        patience: Option<Duration>,
    ) -> Result<(SupervisorResponse, u32)> {
        let link = self.connection()?;
        // Held until the response is complete: the next app restart or purge starts after this one.
        let _turn = if spec.endpoint.is_serialized { Some(self.serialized_permit().await) } else { None };
        let each = deadline.unwrap_or(spec.endpoint.deadline);
        with_patience(spec.endpoint.retryability, patience, || async {
            let left = AtomicBool::new(false);
            tokio::time::timeout(each, async {
                let head = self.open(link, &spec, &left).await?;
                self.finish(&spec, head).await
            })
            .await
            .unwrap_or_else(|_| Err(timeout_error(spec.endpoint, spec.operation(), each, left.into_inner())))
        })
        .await
    }

    /// Sends the request and returns the unread body, for streams.
    pub(crate) async fn open_stream(
        &self,
        spec: RequestSpec,
        patience: Option<Duration>,
    ) -> Result<StreamingResponse> {
        let link = self.connection()?;
        let each = spec.endpoint.deadline;
        with_patience(spec.endpoint.retryability, patience, || async {
            let left = AtomicBool::new(false);
            tokio::time::timeout(each, async {
                let head = self.open(link, &spec, &left).await?;
                if head.status == 200 {
                    return Ok(StreamingResponse { operation: spec.operation(), body: head.body });
                }
                let answer = self.finish(&spec, head).await?;
                Err(answer.decode_failure("not a stream"))
            })
            .await
            .unwrap_or_else(|_| Err(timeout_error(spec.endpoint, spec.operation(), each, left.into_inner())))
        })
        .await
        .map(|(opened, _)| opened)
    }

    /// Runs one attempt up to the head of the response.
    async fn open(&self, link: &SupervisorConnection, spec: &RequestSpec, left: &AtomicBool) -> Result<Head> {
        let started = Instant::now();
        let result = match link.transport.send_tracked(request(link, spec)?, left).await {
            // The server may close an idle connection just as it is reused; a read is then simply sent again.
            Err(error)
                if error.reused && (!error.sent || spec.endpoint.retryability == Retryability::Read) =>
            {
                let mut request = request(link, spec)?;
                request.extensions_mut().insert(FreshConnection);
                link.transport.send_tracked(request, left).await
            }
            result => result,
        };
        let elapsed = started.elapsed();
        match result {
            Ok(response) => {
                let status = response.status().as_u16();
                tracing::debug!(method = %spec.endpoint.method, path = %spec.path, status, ?elapsed, "supervisor call");
                let media_type = response.headers().get(header::CONTENT_TYPE);
                let is_html = media_type.is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
                Ok(Head { status, is_html, body: response.into_body() })
            }
            Err(error) => {
                tracing::debug!(method = %spec.endpoint.method, path = %spec.path, %error, ?elapsed, "supervisor call failed");
                Err(self.broken(spec, None, error))
            }
        }
    }

    async fn finish(&self, spec: &RequestSpec, head: Head) -> Result<SupervisorResponse> {
        let Head { status, is_html, body } = head;
        let says_no = spec.endpoint.status_500_is_an_answer && status == 500;
        let refused = !(200..300).contains(&status) && !says_no;
        let body = if refused {
            // Reads more than is kept, so that no key is cut in two and then not recognized.
            body.collect_truncated(BODY_LIMIT + self.secret().len() * SPELLING).await
        } else {
            body.collect(RESPONSE_LIMIT).await.map_err(|error| match error {
                BodyError::Transport(error) => self.broken(spec, Some(status), error),
                BodyError::TooLong(limit) => {
                    Error::new(ErrorKind::Decode, format!("the response is longer than {limit} bytes"))
                        .with_operation(spec.operation())
                        .with_status(status)
                        .with_sent(true)
                }
            })?
        };
        let supervisor = self.clone();
        let operation = spec.operation();
        let force = spec.force();
        let answer = SupervisorResponse {
            supervisor,
            endpoint: spec.endpoint,
            operation,
            status,
            is_html,
            force,
            body,
        };
        if refused { Err(answer.error()) } else { Ok(answer) }
    }

    /// Returns the error for a missing or incomplete response: nothing was sent, the outcome is unknown, or a read
    /// failed.
    fn broken(&self, spec: &RequestSpec, status: Option<u16>, cause: TransportError) -> Error {
        let address = self.address().unwrap_or_default();
        let kind = connection_lost_kind(spec.endpoint.retryability.semantics(), cause.sent);
        let when = if status.is_some() { "in the middle of the response" } else { "before a response" };
        let (kind, message, help) = if !cause.sent {
            (kind, format!("can't reach the supervisor at {address} ({cause})"), GONE)
        } else if kind == ErrorKind::UnknownOutcome {
            (kind, format!("the connection closed {when} ({cause})"), LOOK)
        } else if cause.is_garbled() {
            (ErrorKind::Decode, format!("the server at {address} does not speak HTTP ({cause})"), WHOSE)
        } else {
            (kind, format!("the supervisor at {address} closed the connection {when} ({cause})"), GONE)
        };
        let error =
            Error::new(kind, message).with_operation(spec.operation()).with_sent(cause.sent).with_help(help);
        let error = error.with_source(cause);
        match status {
            Some(status) => error.with_status(status),
            None => error,
        }
    }
}

const GONE: &str = "the supervisor restarts within a minute on a healthy device; the \
                    service needs the label io.balena.features.supervisor-api";
const WHOSE: &str = "check BALENA_SUPERVISOR_ADDRESS with `balena-agent doctor`";

fn request(link: &SupervisorConnection, spec: &RequestSpec) -> Result<crate::http::Request> {
    let mut uri = String::with_capacity(spec.path.len() + link.query.len() + 16);
    uri.push_str(&spec.path);
    let mut separator = '?';
    for part in [Some(link.query.as_str()), spec.query.as_deref()].into_iter().flatten() {
        if !part.is_empty() {
            uri.push(separator);
            uri.push_str(part);
            separator = '&';
        }
    }
    let mut request = http::Request::builder()
        .method(spec.endpoint.method.clone())
        .uri(uri)
        .header(header::HOST, link.host.clone())
        .header(header::USER_AGENT, USER_AGENT);
    let body = match &spec.body {
        Some(body) => {
            request = request.header(header::CONTENT_TYPE, "application/json");
            Bytes::from(body.to_string())
        }
        None => Bytes::new(),
    };
    if spec.endpoint.retryability != Retryability::Read {
        request = request.extension(FreshConnection);
    }
    // Each part was checked before; only a service name with unusual characters can fail here.
    request
        .body(body)
        .map_err(|_| Error::argument("path", "it can't be part of a URL").with_operation(spec.operation()))
}

/// Neutral on purpose: a proxy in front of newer supervisors routes by a user agent `Supervisor/…` (§1.1).
const USER_AGENT: &str = concat!("balena-agent/", env!("CARGO_PKG_VERSION"));
