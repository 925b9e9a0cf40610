//! Connections: accepted within a bound, handshakes side by side and within a time, each with who is behind it.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{FutureExt as _, Stream, StreamExt as _, future::BoxFuture, stream, stream::FuturesUnordered};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tonic::transport::server::Connected;

use super::tls::{self, Certificates};
use crate::port::store::Scope;

/// Longest handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// After an error of accepting, which a full table of files gives again at once.
const PAUSE: Duration = Duration::from_millis(100);

/// Who is behind a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Peer {
    /// The endpoint or worker that its certificate names.
    pub(super) certified: Option<Scope>,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Line {
    wire: Wire,
    peer: Peer,
    _place: OwnedSemaphorePermit,
}

#[derive(Debug)]
enum Wire {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
}

impl Connected for Line {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

struct Porch {
    listener: TcpListener,
    certificates: Option<Arc<Certificates>>,
    room: Arc<Semaphore>,
    handshakes: FuturesUnordered<BoxFuture<'static, Option<Line>>>,
}

/// Connections as they come, at most `connections` at once; more wait in the system's queue.
pub(super) fn incoming(
    listener: TcpListener,
    certificates: Option<Arc<Certificates>>,
    connections: usize,
) -> impl Stream<Item = io::Result<Line>> + Send {
    let room = Arc::new(Semaphore::new(connections));
    let porch = Porch { listener, certificates, room, handshakes: FuturesUnordered::new() };
    stream::unfold(porch, async |mut porch| {
        let line = porch.next().await;
        Some((Ok(line), porch))
    })
}

impl Porch {
    async fn next(&mut self) -> Line {
        loop {
            let accept = async {
                // The semaphore is never closed.
                let place = Arc::clone(&self.room).acquire_owned().await.ok()?;
                Some((self.listener.accept().await, place))
            };
            tokio::select! {
                Some(shaken) = self.handshakes.next(), if !self.handshakes.is_empty() => {
                    if let Some(line) = shaken {
                        return line;
                    }
                }
                accepted = accept => match accepted {
                    Some((Ok((stream, _)), place)) => self.handshakes.push(self.greet(stream, place)),
                    Some((Err(error), _)) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(PAUSE).await;
                    }
                    None => {}
                },
            }
        }
    }

    fn greet(&self, stream: TcpStream, place: OwnedSemaphorePermit) -> BoxFuture<'static, Option<Line>> {
        // Small messages go at once.
        stream.set_nodelay(true).ok();
        let Some(certificates) = &self.certificates else {
            let line = Line { wire: Wire::Plain(stream), peer: Peer::default(), _place: place };
            return std::future::ready(Some(line)).boxed();
        };
        let acceptor = TlsAcceptor::from(certificates.current());
        async move {
            match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await.ok()? {
                Ok(stream) => {
                    let certified = stream.get_ref().1.peer_certificates().and_then(tls::holder);
                    Some(Line {
                        wire: Wire::Encrypted(Box::new(stream)),
                        peer: Peer { certified },
                        _place: place,
                    })
                }
                Err(error) => {
                    tracing::debug!(%error, "a handshake failed");
                    None
                }
            }
        }
        .boxed()
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Wire::Encrypted(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.wire {
            Wire::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Wire::Encrypted(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.wire {
            Wire::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Wire::Encrypted(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.wire {
            Wire::Plain(stream) => stream.is_write_vectored(),
            Wire::Encrypted(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Plain(stream) => Pin::new(stream).poll_flush(context),
            Wire::Encrypted(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Wire::Encrypted(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
