//! A line to a server that a test holds in its hand: it may be cut, or stop carrying without closing, one
//! way or both.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// What passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passes {
    /// All.
    Both,
    /// What the client says, not what the server answers.
    Questions,
    /// Nothing, though the line stays open.
    Nothing,
}

/// A line to one server.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) address: SocketAddr,
    passes: Arc<watch::Sender<Passes>>,
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Question,
    Answer,
}

impl Line {
    /// To the server at `target`.
    pub(crate) async fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let passes = Arc::new(watch::Sender::new(Passes::Both));
        let line = Self { address, passes: Arc::clone(&passes) };
        #[expect(clippy::disallowed_methods, reason = "a party of its own, which ends with the test")]
        drop(tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&target).await else { continue };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                drop(tokio::spawn(carry(from_client, to_server, Way::Question, passes.subscribe())));
                drop(tokio::spawn(carry(from_server, to_client, Way::Answer, passes.subscribe())));
            }
        }));
        line
    }

    /// From now on, what passes on every connection.
    pub(crate) fn let_pass(&self, passes: Passes) {
        self.passes.send_replace(passes);
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    way: Way,
    mut passes: watch::Receiver<Passes>,
) {
    let is_open = |passes: &Passes| match way {
        Way::Question => *passes != Passes::Nothing,
        Way::Answer => *passes == Passes::Both,
    };
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count) = from.read(&mut bytes).await {
        if count == 0 || passes.wait_for(is_open).await.is_err() {
            break;
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            break;
        }
    }
    drop(to.shutdown().await);
}
