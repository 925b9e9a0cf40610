//! One stream of a worker: work goes down within its windows, outcomes come up and are said to be settled.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    future::pending,
};

use futures::{
    FutureExt as _, StreamExt as _,
    future::{BoxFuture, select_all},
    stream::FuturesUnordered,
};
use metrics::counter;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::{
    super::{
        access::too_late,
        status::{self, stopping},
    },
    Own, refused,
    wire::{self, Refused},
};
use crate::{
    domain::id::EndpointId,
    port::{
        bus::{CopyKey, LeaseToken, Safe, Work, WorkSource},
        intake::Code,
    },
    proto::v1::{
        AttachRequest, AttachResponse, AttemptOutcome, EndpointEnded, OutcomeFate, OutcomeSettled,
        OutcomesSettled, WorkerAttached, attach_request::Request as Asked, attach_response::Response,
    },
    task::metrics::BUS_REFUSED,
};

/// An endpoint that the stream is attached for.
#[derive(Debug)]
pub(super) struct Place {
    source: Box<dyn WorkSource>,
    window: usize,
    /// Brought, neither reported nor dismissed.
    out: HashMap<CopyKey, Work>,
    stance: Stance,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stance {
    Takes,
    /// The hub stops: nothing more is taken from others, and the worker comes back for it elsewhere.
    Stops,
    /// The worker leaves: nothing more is taken from others.
    Left,
    /// Nothing more comes.
    Ended,
}

impl Place {
    pub(super) fn new(source: Box<dyn WorkSource>, window: usize) -> Self {
        Self { source, window, out: HashMap::new(), stance: Stance::Takes }
    }

    fn has_room(&self) -> bool {
        self.stance != Stance::Ended && self.out.len() < self.window
    }

    async fn leave(&mut self, stance: Stance) {
        if self.stance == Stance::Takes {
            self.source.leave().await;
        }
        self.stance = stance;
    }
}

/// One open stream.
pub(super) struct Session {
    own: Own,
    places: BTreeMap<EndpointId, Place>,
    requests: Streaming<AttachRequest>,
    /// Outcomes that are with the bus, not settled yet.
    keeping: FuturesUnordered<BoxFuture<'static, (Vec<CopyKey>, Safe)>>,
    /// To be said next.
    said: VecDeque<Response>,
    late: BoxFuture<'static, ()>,
    end: CancellationToken,
    state: State,
    _permit: OwnedSemaphorePermit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// The hub stops: what is out is waited for.
    Closing,
    /// The worker says no more; what it reported is settled.
    Silent,
    Over,
}

/// What happens next.
enum Event {
    Late,
    Heard(Option<AttachRequest>),
    Kept(Vec<CopyKey>, Safe),
    Stopping,
    Work(EndpointId, Option<Box<Work>>),
}

impl Session {
    pub(super) fn new(
        own: Own,
        places: BTreeMap<EndpointId, Place>,
        requests: Streaming<AttachRequest>,
        late: BoxFuture<'static, ()>,
        end: CancellationToken,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let said = [Response::Attached(WorkerAttached { worker: own.worker.to_string() })].into();
        let keeping = FuturesUnordered::new();
        Self { own, places, requests, keeping, said, late, end, state: State::Open, _permit: permit }
    }

    /// What is said next; ends after an error, or when nothing can be reported any more.
    pub(super) async fn step(mut self) -> Option<(Result<AttachResponse, Status>, Self)> {
        if self.state == State::Over {
            return None;
        }
        let said = self.next().await?;
        if said.is_err() {
            self.state = State::Over;
        }
        Some((said.map(|response| AttachResponse { response: Some(response) }), self))
    }

    async fn next(&mut self) -> Option<Result<Response, Status>> {
        loop {
            if let Some(said) = self.said.pop_front() {
                return Some(Ok(said));
            }
            let is_settled = self.keeping.is_empty();
            match self.state {
                State::Silent if is_settled => return None,
                State::Closing if is_settled && self.places.values().all(|place| place.out.is_empty()) => {
                    return Some(Err(stopping()));
                }
                _ => {}
            }
            let event = self.event().await;
            if let Err(status) = self.handle(event).await {
                return Some(Err(status));
            }
        }
    }

    async fn event(&mut self) -> Event {
        let hears = self.state != State::Silent;
        let is_open = self.state == State::Open;
        tokio::select! {
            biased;
            () = &mut self.late => Event::Late,
            Some((keys, safe)) = self.keeping.next(), if !self.keeping.is_empty() => Event::Kept(keys, safe),
            request = self.requests.message(), if hears => Event::Heard(request.ok().flatten()),
            () = self.end.cancelled(), if is_open => Event::Stopping,
            (endpoint, work) = work(&mut self.places), if hears => Event::Work(endpoint, work.map(Box::new)),
        }
    }

    async fn handle(&mut self, event: Event) -> Result<(), Status> {
        match event {
            Event::Late => return Err(too_late()),
            Event::Heard(Some(AttachRequest { request: Some(asked) })) => self.hear(asked).await?,
            Event::Heard(Some(AttachRequest { request: None })) => {
                return Err(status::refuse(Code::Malformed, "the request says nothing that this hub knows"));
            }
            // Whoever sends no more can report no more: what it did not comes again.
            Event::Heard(None) => {
                self.state = State::Silent;
                self.places.clear();
            }
            Event::Kept(keys, Safe::Yes) => {
                let kept = keys.into_iter().map(|(delivery, lease)| OutcomeSettled {
                    delivery: delivery.to_string(),
                    lease: lease.0,
                    fate: OutcomeFate::Kept.into(),
                    reason: String::new(),
                });
                self.said.push_back(Response::Settled(OutcomesSettled { outcomes: kept.collect() }));
            }
            // The worker keeps them, and reports them again.
            Event::Kept(_, Safe::No) => return Err(stopping()),
            Event::Stopping => {
                self.state = State::Closing;
                for place in self.places.values_mut() {
                    if place.stance == Stance::Takes {
                        place.leave(Stance::Stops).await;
                    }
                }
            }
            Event::Work(endpoint, Some(work)) => self.bring(&endpoint, *work)?,
            Event::Work(endpoint, None) => self.ended(&endpoint),
        }
        Ok(())
    }

    fn bring(&mut self, endpoint: &EndpointId, work: Work) -> Result<(), Status> {
        self.own.standing.check()?;
        let piece = wire::piece(&work, &self.own.attachments.slips, &self.own.worker)
            .map_err(|error| Status::internal(format!("a piece of work cannot be written: {error}")))?;
        if let Some(place) = self.places.get_mut(endpoint) {
            place.out.insert(work.copy(), work);
            self.said.push_back(Response::Work(piece));
        }
        Ok(())
    }

    fn ended(&mut self, endpoint: &EndpointId) {
        let Some(place) = self.places.get_mut(endpoint) else { return };
        let was = std::mem::replace(&mut place.stance, Stance::Ended);
        if was == Stance::Left {
            self.said.push_back(ended(endpoint));
        }
    }

    async fn hear(&mut self, asked: Asked) -> Result<(), Status> {
        match asked {
            Asked::Attach(_) => {
                return Err(status::refuse(Code::Malformed, "the stream is attached already"));
            }
            Asked::Window(asked) => {
                let window = asked.window as usize;
                self.place(&asked.endpoint)?.1.window = window;
            }
            Asked::Leave(asked) => {
                let (endpoint, place) = self.place(&asked.endpoint)?;
                if place.stance == Stance::Ended {
                    self.said.push_back(ended(&endpoint));
                } else {
                    place.leave(Stance::Left).await;
                }
            }
            Asked::Dismiss(asked) => {
                let Ok(delivery) = asked.delivery.parse() else {
                    return Err(status::refuse(Code::Malformed, "'delivery' is not a delivery id"));
                };
                let key = (delivery, LeaseToken(asked.lease));
                for place in self.places.values_mut() {
                    if let Some(work) = place.out.remove(&key) {
                        place.source.dismiss(work).await;
                    }
                }
            }
            Asked::Report(asked) => self.report(asked.outcomes).await?,
        }
        Ok(())
    }

    fn place(&mut self, endpoint: &str) -> Result<(EndpointId, &mut Place), Status> {
        let id = EndpointId::from(endpoint);
        let alien =
            || status::refuse(Code::Malformed, "the stream is not attached for the endpoint it names");
        let place = self.places.get_mut(&id).ok_or_else(alien)?;
        Ok((id, place))
    }

    /// Takes outcomes; those that do not count are said so, counted and kept in the trail.
    async fn report(&mut self, told: Vec<AttemptOutcome>) -> Result<(), Status> {
        self.own.standing.check()?;
        let (mut outcomes, mut alien) = (Vec::new(), Vec::new());
        for one in told {
            match wire::outcome(&one, &self.own) {
                Ok(outcome) => outcomes.push(outcome),
                Err(refused) => alien.push(refused),
            }
        }
        if !alien.is_empty() {
            self.refuse(alien).await;
        }
        if outcomes.is_empty() {
            return Ok(());
        }
        let keys: Vec<CopyKey> = outcomes.iter().map(|it| it.work.copy()).collect();
        let kept = self.own.attachments.bus.hand_in(outcomes).await.map_err(|error| refused(&error))?;
        for key in &keys {
            for place in self.places.values_mut() {
                place.out.remove(key);
            }
        }
        self.keeping.push(async move { (keys, kept.await) }.boxed());
        Ok(())
    }

    async fn refuse(&mut self, alien: Vec<Refused>) {
        for one in &alien {
            counter!(BUS_REFUSED, "reason" => one.because.word()).increment(1);
            tracing::error!(
                worker = %self.own.worker, delivery = one.delivery, lease = one.lease,
                because = one.because.text(), "an outcome is refused"
            );
        }
        self.own.note(&alien, self.own.attachments.clock.now()).await;
        let settled = alien.into_iter().map(|one| OutcomeSettled {
            delivery: one.delivery,
            lease: one.lease,
            fate: OutcomeFate::Refused.into(),
            reason: one.because.text().to_owned(),
        });
        self.said.push_back(Response::Settled(OutcomesSettled { outcomes: settled.collect() }));
    }
}

fn ended(endpoint: &EndpointId) -> Response {
    Response::Ended(EndpointEnded { endpoint: endpoint.to_string() })
}

/// The next piece of any endpoint that has room; nothing is lost when it is given up.
async fn work(places: &mut BTreeMap<EndpointId, Place>) -> (EndpointId, Option<Work>) {
    let open = places.iter_mut().filter(|(_, place)| place.has_room());
    let next: Vec<_> = open
        .map(|(endpoint, place)| Box::pin(async move { (endpoint.clone(), place.source.next().await) }))
        .collect();
    if next.is_empty() { pending().await } else { select_all(next).await.0 }
}
