//! The sockets that the service listens on: TCP addresses, and the Unix socket of each client that has one.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use super::clients::Origin;
use super::listen::{listen, no_address};
use super::unix_socket::UnixSocket;
use crate::error::{Error, Result};
use crate::service::config::ClientSettings;

/// All sockets. Dropping them removes the files of the Unix sockets.
#[derive(Debug)]
pub(crate) struct Listeners {
    tcp: Vec<TcpListener>,
    unix: Vec<(Arc<str>, UnixSocket)>,
    addresses: Vec<SocketAddr>,
}

impl Listeners {
    /// Binds these TCP addresses.
    ///
    /// # Errors
    /// Those of the first address that can't be bound.
    pub(crate) async fn tcp(addresses: &[SocketAddr]) -> Result<Self> {
        let mut bound = Self { tcp: Vec::new(), unix: Vec::new(), addresses: Vec::new() };
        for address in addresses {
            let listener = listen(*address).await?;
            bound.addresses.push(listener.local_addr().map_err(|cause| no_address(*address, cause))?);
            bound.tcp.push(listener);
        }
        Ok(bound)
    }

    /// Binds the Unix sockets of these clients. Returns also the clients whose socket can't be bound: they are off, and
    /// the others are served.
    pub(crate) fn unix(clients: &[ClientSettings]) -> (Self, Vec<(String, Error)>) {
        let mut bound = Self { tcp: Vec::new(), unix: Vec::new(), addresses: Vec::new() };
        let mut off = Vec::new();
        for client in clients {
            let Some(path) = &client.socket else { continue };
            match UnixSocket::bind(path) {
                Ok(socket) => bound.unix.push((client.name.as_str().into(), socket)),
                Err(error) => off.push((client.name.clone(), error)),
            }
        }
        (bound, off)
    }

    /// Returns whether there is no socket.
    pub(crate) fn is_empty(&self) -> bool {
        self.tcp.is_empty() && self.unix.is_empty()
    }

    /// Returns the TCP addresses, with the actual ports.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Accepts a connection on any of the sockets.
    pub(crate) async fn accept(&self) -> io::Result<(Stream, Origin)> {
        std::future::poll_fn(|cx| self.poll_accept(cx)).await
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream, Origin)>> {
        for listener in &self.tcp {
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                return Poll::Ready(accepted.map(|(stream, peer)| {
                    // Responses and events are single small writes: Nagle's algorithm would only delay them.
                    let _ = stream.set_nodelay(true);
                    (Stream::Tcp(stream), Origin::tcp(peer.ip()))
                }));
            }
        }
        for (client, socket) in &self.unix {
            if let Poll::Ready(accepted) = socket.listener.poll_accept(cx) {
                return Poll::Ready(
                    accepted.map(|(stream, _)| (Stream::Unix(stream), Origin::socket(client.clone()))),
                );
            }
        }
        Poll::Pending
    }
}

/// A connection of either kind. One type, so that the code of a connection exists once.
#[derive(Debug)]
pub(crate) enum Stream {
    /// A TCP connection.
    Tcp(TcpStream),
    /// A connection to a Unix socket.
    Unix(UnixStream),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buffer),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, buffers),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, buffers),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
