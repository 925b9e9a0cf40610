//! The door: who calls, whether there is room, and until when the caller waits, before a body is read.
//!
//! A caller is known by a bearer token in the metadata, or by the certificate its connection came with. With
//! both, both must be the same endpoint's. Schema and health are told to anybody.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tonic::{
    Request, Status,
    body::Body,
    codegen::{Service, http},
};
use tower::Layer;

use super::{incoming::Peer, status};
use crate::{
    api::http::{Grants, Identity},
    domain::id::EndpointId,
    port::{intake, store::Scope},
};

/// What every path of ours begins with.
const OURS: &str = "/liandong.v1.";

/// So much before the caller stops waiting it is told, while it still listens.
const EARLY: Duration = Duration::from_millis(5);

/// Until when a caller waits, where it says so.
#[derive(Clone, Copy, Debug)]
struct Deadline(Instant);

/// A token that a caller came with, as it was said.
#[derive(Clone)]
struct Presented(Box<str>);

/// Whether a caller who stays is still let in.
pub(super) struct Standing {
    grants: Arc<Grants>,
    /// None for who came with a certificate: that is not taken back.
    token: Option<Box<str>>,
}

impl std::fmt::Debug for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Standing(..)")
    }
}

impl std::fmt::Debug for Presented {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Presented(..)")
    }
}

impl Standing {
    /// Of who calls.
    pub(super) fn of<T>(request: &Request<T>, grants: &Arc<Grants>) -> Self {
        let token = request.extensions().get::<Presented>().map(|presented| presented.0.clone());
        Self { grants: Arc::clone(grants), token }
    }

    /// Refuses who came with a token that was revoked since.
    pub(super) fn check(&self) -> Result<(), Status> {
        match &self.token {
            Some(token) if self.grants.identify(token).is_none() => {
                Err(status::refuse(intake::Code::Unauthenticated, "the token was revoked"))
            }
            _ => Ok(()),
        }
    }
}

/// The door in front of every service.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    pub(super) grants: Arc<Grants>,
    /// Calls answered at once.
    pub(super) room: Arc<Semaphore>,
    /// Longest call; of a stream, until it is open.
    pub(super) timeout: Duration,
}

impl<S> Layer<S> for Gate {
    type Service = Door<S>;

    fn layer(&self, inner: S) -> Door<S> {
        Door { gate: self.clone(), inner }
    }
}

/// A service behind the gate.
#[derive(Clone, Debug)]
pub(super) struct Door<S> {
    gate: Gate,
    inner: S,
}

impl<S> Service<http::Request<Body>> for Door<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let waits = timeout(&request);
        let place = match self.gate.admit(&mut request, waits) {
            Ok(place) => place,
            Err(status) => return Box::pin(async move { Ok(status.into_http()) }),
        };
        // The one that was ready is called; its copy waits for the next.
        let copy = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, copy);
        let limit =
            waits.map_or(self.gate.timeout, |waits| waits.saturating_sub(EARLY).min(self.gate.timeout));
        Box::pin(async move {
            let answered = tokio::time::timeout(limit, inner.call(request)).await;
            drop(place);
            answered.unwrap_or_else(|_| Ok(too_late().into_http()))
        })
    }
}

/// What a caller is told whose time is over.
pub(super) fn too_late() -> Status {
    Status::deadline_exceeded("not done in time; what was sent may have been accepted, send it again")
}

impl Gate {
    fn admit(
        &self,
        request: &mut http::Request<Body>,
        waits: Option<Duration>,
    ) -> Result<OwnedSemaphorePermit, Status> {
        if request.uri().path().starts_with(OURS) {
            let identity = self.identify(request)?;
            request.extensions_mut().insert(identity);
        }
        if let Some(end) = waits.and_then(|waits| Instant::now().checked_add(waits)) {
            request.extensions_mut().insert(Deadline(end));
        }
        place(&self.room, "calls")
    }

    fn identify(&self, request: &mut http::Request<Body>) -> Result<Identity, Status> {
        let certified = request.extensions().get::<Peer>().and_then(|peer| peer.certified.clone());
        let unknown = || {
            let detail = "send metadata 'authorization: Bearer <token>' with a live token of this hub, or come \
                          with a certificate that names an endpoint";
            status::refuse(intake::Code::Unauthenticated, detail)
        };
        let Some(header) = request.headers().get(http::header::AUTHORIZATION) else {
            return certified.map(certified_as).ok_or_else(unknown);
        };
        let token = header.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
        let identity = token.and_then(|token| self.grants.identify(token.trim())).ok_or_else(unknown)?;
        let presented = Presented(token.unwrap_or_default().trim().into());
        match certified {
            Some(certified) if identity.scope != Scope::Operator && identity.scope != certified => {
                let detail = "the token is another endpoint's or worker's than the certificate";
                Err(status::refuse(intake::Code::Unauthenticated, detail))
            }
            _ => {
                request.extensions_mut().insert(presented);
                Ok(identity)
            }
        }
    }
}

fn certified_as(scope: Scope) -> Identity {
    let name = format!("certificate of {}", scope.to_text().unwrap_or_default());
    Identity::new(name, scope)
}

/// A place among those worked on at once, or "try later".
pub(super) fn place(room: &Arc<Semaphore>, what: &str) -> Result<OwnedSemaphorePermit, Status> {
    Arc::clone(room).try_acquire_owned().map_err(|_| {
        status::refuse(intake::Code::Overloaded, format!("as many {what} as may be are under way; try later"))
    })
}

/// Who calls.
pub(super) fn identity<T>(request: &Request<T>) -> Result<Identity, Status> {
    let identity = request.extensions().get::<Identity>().cloned();
    identity.ok_or_else(|| status::refuse(intake::Code::Unauthenticated, "the caller is not known"))
}

/// The endpoint that calls.
pub(super) fn endpoint<T>(request: &Request<T>) -> Result<EndpointId, Status> {
    match identity(request)?.scope {
        Scope::Endpoint(endpoint) => Ok(endpoint),
        Scope::Operator => Err(status::refuse(
            intake::Code::Forbidden,
            "an operator's token sends no messages; use an endpoint's",
        )),
        Scope::Worker(_) => Err(status::refuse(
            intake::Code::Forbidden,
            "a worker's credential neither sends messages nor opens a mailbox; use an endpoint's",
        )),
    }
}

/// The worker that calls.
pub(super) fn worker<T>(request: &Request<T>) -> Result<Box<str>, Status> {
    match identity(request)?.scope {
        Scope::Worker(name) => Ok(name),
        Scope::Endpoint(_) | Scope::Operator => {
            let detail =
                "only a worker attaches; make it a token with 'liandong token new NAME --worker WORKER'";
            Err(status::refuse(intake::Code::Forbidden, detail))
        }
    }
}

/// When the caller of a stream stops waiting; never comes where it said nothing.
pub(super) fn deadline<T>(request: &Request<T>) -> impl Future<Output = ()> + Send + 'static + use<T> {
    let end = request.extensions().get::<Deadline>().copied();
    async move {
        match end {
            Some(Deadline(end)) => tokio::time::sleep_until(end).await,
            None => std::future::pending().await,
        }
    }
}

/// `grpc-timeout`: up to eight digits and a unit. Another form is none, as the specification has it.
fn timeout(request: &http::Request<Body>) -> Option<Duration> {
    let text = request.headers().get("grpc-timeout")?.to_str().ok()?;
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if number.len() > 8 {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Pending, pending};

    use tonic::Code;

    use super::*;
    use crate::port::store::{Grant, Sha256Digest};

    /// A service that never answers.
    #[derive(Clone)]
    struct Deaf;

    impl Service<http::Request<Body>> for Deaf {
        type Response = http::Response<Body>;
        type Error = Infallible;
        type Future = Pending<Result<http::Response<Body>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: http::Request<Body>) -> Self::Future {
            pending()
        }
    }

    fn door(places: usize, timeout: Duration) -> Door<Deaf> {
        let grants = Grants::new(|token| Sha256Digest([token.as_bytes()[0]; 32]));
        let scope = Scope::Endpoint("a".into());
        grants.replace(vec![Grant { name: "t".into(), hash: Sha256Digest([b't'; 32]), scope }]);
        let room = Arc::new(Semaphore::new(places));
        Gate { grants: Arc::new(grants), room, timeout }.layer(Deaf)
    }

    async fn said(door: &mut Door<Deaf>, headers: &[(&str, &str)], peer: Option<&str>) -> Code {
        let mut request = http::Request::builder().uri("/liandong.v1.Intake/Submit");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::empty()).unwrap();
        let certified = peer.map(|name| Scope::Endpoint(name.into()));
        request.extensions_mut().insert(Peer { certified });
        let answer = door.call(request).await.unwrap();
        Status::from_header_map(answer.headers()).unwrap().code()
    }

    const TOKEN: (&str, &str) = ("authorization", "Bearer t");
    const MOMENT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn a_call_ends_when_its_caller_or_the_hub_waits_no_longer() {
        let begin = Instant::now();
        let mut patient = door(1, Duration::from_mins(10));
        for waits in ["50m", "1n"] {
            let said = said(&mut patient, &[TOKEN, ("grpc-timeout", waits)], None).await;
            assert_eq!(said, Code::DeadlineExceeded, "{waits}");
        }
        let mut hasty = door(1, MOMENT);
        assert_eq!(said(&mut hasty, &[TOKEN], None).await, Code::DeadlineExceeded);
        assert_eq!(said(&mut hasty, &[TOKEN, ("grpc-timeout", "9H")], None).await, Code::DeadlineExceeded);
        assert!(begin.elapsed() < Duration::from_mins(10));
    }

    #[tokio::test]
    async fn nobody_enters_unknown_or_as_two() {
        let mut door = door(1, MOMENT);
        for (headers, peer, expected) in [
            (&[][..], None, Code::Unauthenticated),
            (&[("authorization", "Bearer x")], None, Code::Unauthenticated),
            (&[("authorization", "t")], None, Code::Unauthenticated),
            (&[("authorization", "Bearer x")], Some("a"), Code::Unauthenticated),
            (&[TOKEN], Some("b"), Code::Unauthenticated),
            (&[TOKEN], Some("a"), Code::DeadlineExceeded),
            (&[], Some("b"), Code::DeadlineExceeded),
        ] {
            assert_eq!(said(&mut door, headers, peer).await, expected, "{headers:?} {peer:?}");
        }
    }

    #[tokio::test]
    async fn a_place_is_taken_for_the_time_of_a_call() {
        let mut door = door(1, MOMENT);
        let mut other = door.clone();
        let both = futures::join!(said(&mut door, &[TOKEN], None), said(&mut other, &[TOKEN], None));
        assert_eq!(both, (Code::DeadlineExceeded, Code::ResourceExhausted));
        assert_eq!(said(&mut other, &[TOKEN], None).await, Code::DeadlineExceeded);
    }

    #[test]
    fn a_callers_timeout_is_read_in_every_unit() {
        let read = |text: &str| {
            timeout(&http::Request::builder().header("grpc-timeout", text).body(Body::empty()).unwrap())
        };
        assert_eq!(read("2H"), Some(Duration::from_hours(2)));
        assert_eq!(read("5S"), Some(Duration::from_secs(5)));
        assert_eq!(read("50m"), Some(Duration::from_millis(50)));
        assert_eq!(read("1n"), Some(Duration::from_nanos(1)));
        for strange in ["", "S", "5", "5s", "-1S", "999999999S", "市"] {
            assert_eq!(read(strange), None, "{strange}");
        }
    }
}
