//! One run of acceptances that are written together: none of them needs the rows of another.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    book::{Book, Seeds},
    effect::{self, Aside},
    error::Failure,
    insert::{self, Made, OrderKey},
    query,
    session::Session,
    value::Columns as _,
    write::{self, Claimable, Promoted},
};
use crate::{
    domain::{
        decision::ParkReason,
        delivery::{Acknowledgement, Transport},
        id::{DeliveryId, EndpointId, MessageId, OrganisationId},
    },
    port::store::{Acceptance, NewDelivery, NewState, StandingRow, Verdict},
    store::{
        change::{Bucket, Change, Lane, Mode, Rows as _, effect::Applied},
        fault::unfit,
        verdict::refused,
    },
};

/// What became of a run.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// One verdict an acceptance.
    pub(super) verdicts: Vec<Verdict>,
    /// What can be claimed because of it.
    pub(super) claimable: Claimable,
}

/// Organisation, kind and business key.
type Key<'a> = (&'a str, &'a str, &'a str);

fn key(acceptance: &Acceptance) -> Key<'_> {
    let key = &acceptance.key;
    (&key.business_key, key.kind.as_str(), key.organisation.as_str())
}

/// Accepts all of a run, in turn. With [`Verdict::Moved`] for an acceptance whose effects are not possible,
/// something may have been written that must be taken back; such a one is a run of its own.
pub(super) async fn accept(
    session: &Session<'_>,
    acceptances: &[&Acceptance],
    now: Timestamp,
) -> Result<Run, Failure> {
    let mut verdicts = judge(session, acceptances).await?;
    let accepted: Vec<(usize, &Acceptance)> = acceptances
        .iter()
        .enumerate()
        .filter(|(place, _)| verdicts[*place].is_none())
        .map(|(place, acceptance)| (place, *acceptance))
        .collect();
    let mut claimable = Claimable::new();
    if !accepted.is_empty() {
        let ones: Vec<&Acceptance> = accepted.iter().map(|(_, one)| *one).collect();
        match store(session, &ones, now).await? {
            Stored::Moved => {
                for (place, _) in accepted {
                    verdicts[place] = Some(Verdict::Moved);
                }
            }
            Stored::Ready(ready, became) => {
                for ((place, _), ready) in accepted.into_iter().zip(ready) {
                    verdicts[place] = Some(Verdict::Accepted { ready });
                }
                claimable = became;
            }
        }
    }
    Ok(Run { verdicts: verdicts.into_iter().flatten().collect(), claimable })
}

/// Which are refused; each is judged as if those before it had been accepted.
async fn judge(session: &Session<'_>, acceptances: &[&Acceptance]) -> Result<Vec<Option<Verdict>>, Failure> {
    let (mut highest, mut standing) = (HashMap::new(), HashMap::new());
    let columns: (Vec<_>, Vec<_>, Vec<_>, Vec<_>) = (
        acceptances.iter().map(|one| key(one).0).collect(),
        acceptances.iter().map(|one| key(one).1).collect(),
        acceptances.iter().map(|one| key(one).2).collect(),
        acceptances.iter().map(|one| i64::from(one.revision)).collect(),
    );
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
        [&columns.0, &columns.1, &columns.2, &columns.3];
    for row in session.rows(include_str!("sql/key_read.sql"), &parameters).await? {
        let place: usize = row.number::<usize>("place")?.saturating_sub(1);
        let Some(one) = acceptances.get(place) else { continue };
        highest.insert(key(one), row.number::<u32>("highest")?);
        if let Some(id) = row.value::<Option<Uuid>>("id")? {
            standing.insert((key(one), one.revision), query::standing(&row, MessageId(id))?);
        }
    }
    let mut verdicts = Vec::with_capacity(acceptances.len());
    for one in acceptances {
        let known = highest.get(&key(one)).copied();
        let verdict = refused(one, known, || Ok(standing.get(&(key(one), one.revision)).cloned()))?;
        if verdict.is_none() {
            highest.insert(key(one), one.revision);
            let stands = StandingRow {
                message: one.id,
                received_digest: one.received_digest,
                content_digest: one.content_digest,
                receipt: one.receipt.clone(),
            };
            standing.insert((key(one), one.revision), stands);
        }
        verdicts.push(verdict);
    }
    Ok(verdicts)
}

enum Stored {
    /// The endpoints to look at because of each, and all that became claimable.
    Ready(Vec<Vec<EndpointId>>, Claimable),
    /// Routing's ground has moved.
    Moved,
}

async fn store(session: &Session<'_>, accepted: &[&Acceptance], now: Timestamp) -> Result<Stored, Failure> {
    let answers = effect::answers(session, accepted).await?;
    let seeds = seeds(accepted, &answers);
    let book = if seeds.ids.is_empty() && seeds.numbers.is_empty() {
        Book::default()
    } else {
        Book::open(session, &seeds).await?
    };
    let mut change = Change::new(book, now);
    let mut aside = Aside::default();
    let mut touched = Vec::with_capacity(accepted.len());
    for acceptance in accepted {
        let before = change.rows.touched().len();
        if effect::apply(session, &mut change, &mut aside, acceptance, &answers).await? == Applied::Moved {
            return Ok(Stored::Moved);
        }
        touched.push(before..change.rows.touched().len());
    }

    let count = accepted.iter().map(|one| one.deliveries.len()).sum();
    let (lanes, (messages, numbers)) =
        futures::try_join!(order_keys(session, accepted), insert::numbers(session, accepted.len(), count))?;
    let mut plan = Plan::new(session, accepted, lanes).await?;
    let mut numbers = numbers.into_iter();
    let mut made = Vec::with_capacity(accepted.len());
    for (acceptance, message) in accepted.iter().zip(&messages) {
        let before = plan.made.len();
        plan.deliveries(&mut change, acceptance, *message, &mut numbers)?;
        made.push(before..plan.made.len());
    }
    let numbered: Vec<(i64, &Acceptance)> = messages.iter().copied().zip(accepted.iter().copied()).collect();
    let entries: Vec<_> = accepted.iter().flat_map(|one| &one.entries).collect();
    let tally = std::mem::take(&mut change.tally);
    futures::try_join!(
        insert::messages(session, &numbered, now),
        insert::deliveries(session, &plan.made, now),
        aside.write(session, now),
        insert::entries(session, &entries),
        write::counts(session, tally)
    )?;
    let promoted = write::book(session, &change.rows, now).await?;
    obligations(session, &numbered, &plan.own).await?;

    let mut claimable: Claimable = write::claimable(&promoted).collect();
    claimable.extend(
        plan.made
            .iter()
            .filter(|made| made.claimable)
            .filter_map(|made| Some((made.new.endpoint.clone()?, now))),
    );
    let ready = touched
        .into_iter()
        .zip(made)
        .map(|(touched, made)| ready(&plan.made[made], &change.rows.touched()[touched], &promoted, now))
        .collect();
    Ok(Stored::Ready(ready, claimable))
}

/// What the acceptances name among what is stored.
fn seeds(accepted: &[&Acceptance], answers: &effect::Answers) -> Seeds {
    let mut ids = effect::named(accepted);
    for acceptance in accepted {
        let own: HashSet<DeliveryId> = acceptance.deliveries.iter().map(|delivery| delivery.id).collect();
        let after = acceptance.deliveries.iter().filter_map(|delivery| match &delivery.start {
            NewState::Held { after, .. } if !own.contains(after) => Some(after.0),
            _ => None,
        });
        ids.extend(after);
    }
    let numbers = answers.deliveries();
    let names = accepted
        .iter()
        .filter(|one| !one.deliveries.is_empty())
        .map(|one| one.order_key.as_str().to_owned())
        .collect();
    Seeds { ids, numbers, names }
}

async fn order_keys<'a>(
    session: &Session<'_>,
    accepted: &[&'a Acceptance],
) -> Result<HashMap<&'a str, OrderKey>, Failure> {
    let mut wanted: BTreeMap<&str, i64> = BTreeMap::new();
    for one in accepted.iter().filter(|one| !one.deliveries.is_empty()) {
        let count = i64::try_from(one.deliveries.len()).unwrap_or(i64::MAX);
        *wanted.entry(one.order_key.as_str()).or_default() += count;
    }
    insert::order_keys(session, wanted).await
}

/// The deliveries to write.
struct Plan<'a> {
    made: Vec<Made<'a>>,
    /// Rows of the deliveries made, by id.
    own: HashMap<DeliveryId, i64>,
    keys: HashMap<&'a str, OrderKey>,
    occupied: HashSet<Lane>,
}

impl<'a> Plan<'a> {
    async fn new(
        session: &Session<'_>,
        accepted: &[&'a Acceptance],
        keys: HashMap<&'a str, OrderKey>,
    ) -> Result<Self, Failure> {
        let lanes: HashSet<Lane> = accepted
            .iter()
            .filter_map(|one| Some((*one, keys.get(one.order_key.as_str()).filter(|key| !key.is_new)?)))
            .flat_map(|(one, key)| {
                let endpoints = one.deliveries.iter().filter_map(|new| new.endpoint.clone());
                endpoints.map(|endpoint| Lane { order_key: key.number, endpoint })
            })
            .collect();
        let occupied = insert::occupied(session, &lanes.into_iter().collect::<Vec<_>>()).await?;
        Ok(Self { made: Vec::new(), own: HashMap::new(), keys, occupied })
    }

    /// Plans the deliveries of one message, each at the end of its lane.
    fn deliveries(
        &mut self,
        change: &mut Change<Book>,
        acceptance: &'a Acceptance,
        message: i64,
        numbers: &mut impl Iterator<Item = i64>,
    ) -> Result<(), Failure> {
        for new in &acceptance.deliveries {
            let number = numbers.next().ok_or_else(|| unfit("fewer numbers than deliveries"))?;
            let made = self.delivery(change, acceptance, new, (message, number))?;
            let bucket = Bucket { state: made.state, acknowledgement: Acknowledgement::None, attempts: 0 };
            change.tally.added(new.organisation.as_ref().map(OrganisationId::as_str), bucket);
            self.own.insert(new.id, number);
            self.made.push(made);
        }
        Ok(())
    }

    fn delivery(
        &mut self,
        change: &mut Change<Book>,
        acceptance: &'a Acceptance,
        new: &'a NewDelivery,
        (message, number): (i64, i64),
    ) -> Result<Made<'a>, Failure> {
        let key = self.keys.get_mut(acceptance.order_key.as_str());
        let key = key.ok_or_else(|| unfit("an order key was not taken"))?;
        let (order_key, sequence) = (key.number, key.next);
        key.next += 1;
        let hold = match &new.start {
            NewState::Held { after, moment, relay } => {
                let first = self.own.get(after).copied().or_else(|| change.rows.number_of(*after));
                let first = first.ok_or_else(|| unfit(format!("no delivery {after}")))?;
                Some((first, *moment, relay))
            }
            NewState::Ready | NewState::Parked { .. } => None,
        };
        let (mut state, reason, detail) = match &new.start {
            NewState::Parked { reason, detail } => (Transport::Parked, Some(*reason), Some(&**detail)),
            _ if new.endpoint.is_none() => (Transport::Parked, Some(ParkReason::NoEndpoint), None),
            NewState::Ready => (Transport::Ready, None, None),
            NewState::Held { .. } => (Transport::Held, None, None),
        };
        let mut released = hold.is_none();
        if let Some((first, moment, relay)) = hold
            && state == Transport::Held
            && mode(relay) == Mode::StandingAuthorisation
            && change.rows.has(first)
            && change.rows.standing(first)?.has_reached(moment)
        {
            (state, released) = (Transport::Ready, true);
        }
        let free =
            new.endpoint.clone().is_some_and(|endpoint| self.occupied.insert(Lane { order_key, endpoint }));
        let claimable = free && state == Transport::Ready;
        Ok(Made {
            number,
            message,
            new,
            order_key,
            sequence,
            state,
            reason,
            detail,
            hold,
            released,
            claimable,
        })
    }
}

/// The endpoints to look at because of the deliveries made and the lanes touched.
fn ready(made: &[Made<'_>], touched: &[Lane], promoted: &Promoted, now: Timestamp) -> Vec<EndpointId> {
    let due = |lane: &Lane| promoted.get(lane).is_some_and(|at| *at <= now);
    let of_made = made.iter().filter_map(|made| {
        let lane = Lane { order_key: made.order_key, endpoint: made.new.endpoint.clone()? };
        (made.claimable || due(&lane)).then_some(lane.endpoint)
    });
    let of_touched = touched.iter().filter(|lane| due(lane)).map(|lane| lane.endpoint.clone());
    let ready: BTreeSet<EndpointId> = of_made.chain(of_touched).collect();
    ready.into_iter().collect()
}

fn mode(relay: &crate::domain::decision::Relay) -> Mode {
    use crate::domain::decision::Relay;

    match relay {
        Relay::OwnSystem => Mode::OwnSystem,
        Relay::Confirm => Mode::Confirm,
        Relay::StandingAuthorisation { .. } => Mode::StandingAuthorisation,
    }
}

async fn obligations(
    session: &Session<'_>,
    messages: &[(i64, &Acceptance)],
    own: &HashMap<DeliveryId, i64>,
) -> Result<(), Failure> {
    let named = messages.iter().flat_map(|(_, one)| &one.obligations).filter_map(|one| one.delivery);
    let elsewhere: Vec<Uuid> = named.filter(|id| !own.contains_key(id)).map(|id| id.0).collect();
    let elsewhere = insert::numbers_of(session, &elsewhere).await?;
    let mut rows = Vec::new();
    for (message, acceptance) in messages {
        for obligation in &acceptance.obligations {
            let delivery = match obligation.delivery {
                None => None,
                Some(id) => {
                    let number = own.get(&id).or_else(|| elsewhere.get(&id));
                    Some(*number.ok_or_else(|| unfit(format!("no delivery {id}")))?)
                }
            };
            rows.push((*message, delivery, obligation));
        }
    }
    insert::obligations(session, &rows).await
}
