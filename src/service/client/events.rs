//! The stream of events.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use http::header;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use crate::error::{Error, ErrorKind, Result};

use super::Client;
use super::address::Address;
use super::call::RawResponse;

/// Deadline of opening the stream.
const DEADLINE: Duration = Duration::from_secs(5);
/// Silence after which a client gives up the service. The service pings at least every minute.
const SILENCE_LIMIT: Duration = Duration::from_secs(150);

/// What is encoded in a query: all but the characters of ids and kinds.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b',');

const OPERATION: &str = "GET /events";

/// A connection to the service.
trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

type Socket = WebSocketStream<Box<dyn Connection>>;

impl Client {
    /// Opens the event stream of the service: the first event is the state, each further one a change. Nothing is sent
    /// before `.await`.
    ///
    /// ```no_run
    /// # async fn example(agent: balena_agent::service::Client) -> balena_agent::Result<()> {
    /// let mut events = agent.events().kinds(["lease_lost", "action_finished"]).await?;
    /// while let Some(event) = events.next().await {
    ///     println!("{}", event?); // JSON
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn events(&self) -> EventsRequest {
        EventsRequest { client: self.clone(), since: None, kinds: Vec::new() }
    }

    async fn open_events(&self, path: &str) -> Result<Events> {
        let connected: std::io::Result<Box<dyn Connection>> = match &self.address {
            Address::Tcp(authority) => {
                TcpStream::connect(authority.as_str()).await.map(|it| Box::new(it) as _)
            }
            Address::Unix(path) => UnixStream::connect(path).await.map(|it| Box::new(it) as _),
        };
        let stream = connected.map_err(|cause| self.unreachable(OPERATION, &cause))?;
        let mut request = format!("ws://{}{path}", self.address.host())
            .into_client_request()
            .map_err(|cause| self.unreachable(OPERATION, &cause))?;
        if let Some(value) = self.credential.header()? {
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, _)) => Ok(Events {
                socket: Some(socket),
                address: self.address.clone(),
                silence: Box::pin(sleep(SILENCE_LIMIT)),
            }),
            Err(SocketError::Http(response)) => {
                let body = response.body().as_deref().unwrap_or_default();
                let json = serde_json::from_slice(body).ok();
                let error =
                    self.refused(OPERATION, &RawResponse { status: response.status().as_u16(), json });
                // Too many clients: the service works.
                Err(if error.is_server() { error.with_kind(ErrorKind::Rejected) } else { error })
            }
            Err(SocketError::Io(cause)) => Err(self.cut_off(OPERATION, &cause)),
            // The service closed the connection before it sent a response.
            Err(SocketError::Protocol(cause @ ProtocolError::HandshakeIncomplete)) => {
                Err(self.cut_off(OPERATION, &cause))
            }
            Err(cause) => Err(self.not_ours(OPERATION, &cause).with_source(cause)),
        }
    }
}

/// The request for the event stream. Nothing is sent before `.await`.
#[derive(Debug, Clone)]
#[must_use = "nothing is sent before `.await`"]
pub struct EventsRequest {
    client: Client,
    since: Option<String>,
    kinds: Vec<String>,
}

impl EventsRequest {
    /// Goes on after the event with this `id`. If the service does not have what followed it, the first event is
    /// `reset`, with the state.
    pub fn since(mut self, id: impl Into<String>) -> Self {
        self.since = Some(id.into());
        self
    }

    /// Asks for events of these kinds only, e.g. `lease_lost`. Those about the stream itself come always.
    pub fn kinds<T: Into<String>>(mut self, kinds: impl IntoIterator<Item = T>) -> Self {
        self.kinds.extend(kinds.into_iter().map(Into::into));
        self
    }

    fn path(&self) -> String {
        let encoded = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
        let since = self.since.iter().map(|id| format!("since={}", encoded(id)));
        let kinds = (!self.kinds.is_empty()).then(|| format!("kind={}", encoded(&self.kinds.join(","))));
        let query: Vec<String> = since.chain(kinds).collect();
        if query.is_empty() { "/events".to_owned() } else { format!("/events?{}", query.join("&")) }
    }

    async fn send(self) -> Result<Events> {
        let path = self.path();
        timeout(DEADLINE, self.client.open_events(&path))
            .await
            .unwrap_or_else(|_| Err(self.client.too_late_after(OPERATION, DEADLINE)))
    }
}

impl IntoFuture for EventsRequest {
    type Output = Result<Events>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// # Errors
    /// `is_unreachable` if nothing listens on the address; `is_timeout` if no response comes within 5 s;
    /// `is_unauthorized` if the service does not accept the token, or the client has no scope `events`;
    /// `is_invalid_argument` for an id or kind that the service does not understand; `is_rejected` if the service has
    /// too many clients; `is_decode` if the response is not that of balena-agent.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// The events of a service, as a `Stream` of JSON objects in text. The last item is always an error: why the stream
/// ended. Dropping it closes the connection.
pub struct Events {
    /// `None` once the stream has ended.
    socket: Option<Socket>,
    address: Address,
    silence: Pin<Box<Sleep>>,
}

impl Events {
    /// Returns the next event as JSON text; `None` after the final error.
    pub async fn next(&mut self) -> Option<Result<String>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    fn over(&mut self, kind: ErrorKind, why: &dyn fmt::Display) -> Poll<Option<Result<String>>> {
        self.socket = None;
        let text = format!("the events of {} ended: {why}", self.address);
        Poll::Ready(Some(Err(Error::new(kind, text)
            .with_operation(OPERATION)
            .with_sent(true)
            .with_help("subscribe again; the first event is the current state"))))
    }
}

impl Stream for Events {
    type Item = Result<String>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(socket) = &mut self.socket else { return Poll::Ready(None) };
            let Poll::Ready(incoming) = Pin::new(socket).poll_next(cx) else {
                ready!(self.silence.as_mut().poll(cx));
                return self.over(ErrorKind::Timeout, &"no message came within the limit");
            };
            // The socket itself answers pings. Here every message resets the silence timer.
            self.silence.as_mut().reset(Instant::now() + SILENCE_LIMIT);
            match incoming {
                Some(Ok(Message::Text(text))) => return Poll::Ready(Some(Ok(text.as_str().to_owned()))),
                Some(Ok(Message::Close(frame))) => {
                    let why = frame.map(|frame| frame.reason.as_str().to_owned()).unwrap_or_default();
                    let why =
                        if why.is_empty() { "the service closed the connection".to_owned() } else { why };
                    return self.over(ErrorKind::Unreachable, &why);
                }
                Some(Ok(_)) => {}
                Some(Err(cause)) => return self.over(ErrorKind::Unreachable, &cause),
                None => return self.over(ErrorKind::Unreachable, &"the service closed the connection"),
            }
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("address", &self.address).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_is_encoded() {
        let client = Client::new("agent").unwrap();
        assert_eq!(client.events().path(), "/events");
        let request = client.events().since("a&b-7").kinds(["x", "y"]);
        assert_eq!(request.path(), "/events?since=a%26b-7&kind=x,y");
    }
}
