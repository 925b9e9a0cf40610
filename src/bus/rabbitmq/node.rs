//! One connection to one node, opened within a time limit, that can be cut off at any moment.
//!
//! lapin bounds neither the connecting nor the first words of the protocol, and a connection that is
//! dropped while it opens leaves its thread behind. So the socket is ours too: shutting it down ends
//! whatever waits for it.

use std::{
    io,
    net::{Shutdown, TcpStream},
    os::fd::AsFd as _,
    sync::{Arc, OnceLock},
    time::Duration,
};

use lapin::{
    AsyncTcpStream, Connection, ConnectionProperties,
    tcp::{AMQPUriTcpExt as _, OwnedTLSConfig},
    uri::{AMQPScheme, AMQPUri},
};
use tokio_util::sync::CancellationToken;

/// An open connection.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) connection: Connection,
    socket: Arc<OnceLock<TcpStream>>,
    over: CancellationToken,
}

impl Live {
    /// Opens a connection to `node`, named `name` in the broker's lists.
    pub(super) async fn open(
        node: &AMQPUri,
        name: &str,
        authority: Option<&str>,
        limit: Duration,
    ) -> lapin::Result<Self> {
        let socket = Arc::new(OnceLock::new());
        let kept = Arc::clone(&socket);
        let tls = OwnedTLSConfig { identity: None, cert_chain: authority.map(str::to_owned) };
        let runtime = lapin::runtime::default_runtime()?;
        let inside = runtime.clone();
        let connect = async move |node: AMQPUri, _| {
            let opening = async {
                let plain = AMQPUri { scheme: AMQPScheme::AMQP, ..node.clone() };
                let AsyncTcpStream::Plain(stream) = plain.connect_async(&inside).await? else {
                    return Err(io::Error::other("not a plain connection"));
                };
                let own = stream.get_ref().as_fd().try_clone_to_owned()?;
                // Set once: without recovery by lapin this runs once a connection.
                drop(kept.set(TcpStream::from(own)));
                let stream = AsyncTcpStream::Plain(stream);
                match node.scheme {
                    AMQPScheme::AMQP => Ok(stream),
                    AMQPScheme::AMQPS => stream.into_tls(&node.authority.host, tls.as_ref()).await,
                }
            };
            Ok(tokio::time::timeout(limit, opening).await.map_err(io::Error::from)??)
        };
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let opening = Connection::connector(node.clone(), runtime, connect, properties);
        tokio::pin!(opening);
        let opened = tokio::select! {
            opened = &mut opening => opened,
            () = tokio::time::sleep(limit) => {
                cut(&socket);
                opening.await
            }
        };
        Ok(Self { connection: opened?, socket, over: CancellationToken::new() })
    }

    /// Ends the connection at once, with whatever still waits to be written to it.
    pub(super) fn cut(&self) {
        self.over.cancel();
        cut(&self.socket);
    }

    /// Waits until it was cut.
    pub(super) async fn over(&self) {
        self.over.cancelled().await;
    }
}

fn cut(socket: &OnceLock<TcpStream>) {
    if let Some(socket) = socket.get() {
        // One that is closed already needs no closing.
        drop(socket.shutdown(Shutdown::Both));
    }
}
