//! The line into one party: a TCP listener whose connections the party can cut, and an address that can
//! be held while nobody listens on it.
//!
//! A cut connection is closed after the request was read and before a byte of the answer was written: the
//! hub then cannot know whether the party has it (DESIGN promise 7).

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpSocket, TcpStream},
};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 256;

/// An address of this machine that is ours. Nobody listens yet: connections are refused, as by a system
/// that is down.
#[derive(Debug)]
pub(super) struct Address {
    socket: TcpSocket,
    at: SocketAddr,
}

impl Address {
    /// Takes a free port on the loopback interface.
    pub(super) fn take() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let at = socket.local_addr()?;
        Ok(Self { socket, at })
    }

    /// Where it is.
    pub(super) fn at(&self) -> SocketAddr {
        self.at
    }

    /// Begins to listen.
    pub(super) fn open(self) -> io::Result<Gate> {
        Ok(Gate { listener: self.socket.listen(BACKLOG)? })
    }
}

/// A listener whose connections can be cut.
#[derive(Debug)]
pub(super) struct Gate {
    listener: TcpListener,
}

impl Listener for Gate {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        let (stream, peer) = Listener::accept(&mut self.listener).await;
        (Wire { stream, shears: Shears::default() }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Cuts one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Shears(Arc<AtomicBool>);

impl Shears {
    /// Lets no byte out any more; the connection closes when the next one is written.
    pub(super) fn cut(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn check(&self) -> io::Result<()> {
        if self.0.load(Ordering::Acquire) { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }
}

impl Connected<IncomingStream<'_, Gate>> for Shears {
    fn connect_info(stream: IncomingStream<'_, Gate>) -> Self {
        stream.io().shears.clone()
    }
}

/// A connection that can be cut.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    shears: Shears,
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.shears.check()?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_refuses_connections_until_it_is_opened() {
        let address = Address::take().unwrap();
        let at = address.at();
        let refused = TcpStream::connect(at).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let mut gate = address.open().unwrap();
        let (_, accepted) = tokio::join!(TcpStream::connect(at), Listener::accept(&mut gate));
        assert_eq!(accepted.0.stream.local_addr().unwrap(), at);
    }
}
