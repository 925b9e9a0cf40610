//! A request body that knows whether anybody has begun to send it.
//!
//! The HTTP library takes the first frame of a body only when it writes the request to a connection. As
//! long as nobody asked for it, no byte of the parcel can have reached the target: that is what
//! `NotSent` rests on, whatever error comes back. A request found unsent on a dead pooled connection
//! goes to a fresh one with its body still untouched; a touched one is never sent again.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Tells whether the body has been touched.
#[derive(Clone, Debug)]
pub(super) struct Witness(Arc<AtomicBool>);

/// The body under watch.
#[derive(Debug)]
pub(super) struct Watched {
    rest: Bytes,
    touched: Arc<AtomicBool>,
}

/// Puts `bytes` under watch. An empty body counts as touched from the start: its head alone is the
/// whole request, and nobody asks for frames.
pub(super) fn watch(bytes: Bytes) -> (Watched, Witness) {
    let touched = Arc::new(AtomicBool::new(bytes.is_empty()));
    (Watched { rest: bytes, touched: Arc::clone(&touched) }, Witness(touched))
}

impl Witness {
    /// Whether a byte of the body may have left.
    pub(super) fn touched(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.touched.store(true, Ordering::Release);
        let rest = std::mem::take(&mut self.rest);
        Poll::Ready((!rest.is_empty()).then(|| Ok(Frame::data(rest))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
