//! The office: what people do to deliveries and tokens, with who and why in the trail.

use std::{collections::HashSet, sync::Arc};

use async_trait::async_trait;
use base64::Engine as _;
use metrics::counter;
use serde_json::{Value, json};

use super::{
    desk::Desk,
    keys::Keyring,
    trail::{self, About},
};
use crate::{
    domain::{
        decision::ParkReason,
        delivery::Transport,
        id::{DeliveryId, EndpointId},
        obligation::ObligationState,
        personal,
    },
    evidence::digest::Digest,
    port::{
        clock::Clock,
        operations::{By, Error, KeyFault, KeyState, Operations, Rehearsal, Replay, Rotation},
        store::{
            DeliveryFilter, DeliveryRow, NewToken, NotPossible, Obligation, Operated, Operation, Page, Scope,
            Sha256Digest, Step, Store, Way,
        },
    },
    task::metrics::PARKED,
};

/// Bytes of randomness in a token.
const TOKEN_BYTES: usize = 32;

/// What every token begins with, so that a leaked one is recognised.
pub const TOKEN_PREFIX: &str = "ld_";

/// Operates on the store.
#[derive(Debug)]
pub struct Office {
    /// The truth.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Endpoints to look at afterwards.
    pub desk: Arc<Desk>,
    /// Endpoints that exist.
    pub endpoints: HashSet<EndpointId>,
    /// The keys that sign.
    pub keys: Arc<Keyring>,
}

#[async_trait]
impl Operations for Office {
    async fn operate(&self, delivery: DeliveryId, operation: Operation, by: By) -> Result<Operated, Error> {
        asked_for(&operation, &by)?;
        let message = self.row(delivery).await?.message;
        let now = self.clock.now();
        let operation = without_numbers(operation);
        let data = trail::answered(json!({ "operation": said(&operation) }), &by);
        let entry = trail::entry(trail::OPERATED, About::delivery(message, delivery), &data, now);
        let operated = self.store.operate(delivery, operation, entry, now).await??;
        if operated.to == Transport::Parked {
            counter!(PARKED, "reason" => ParkReason::ByOperator.as_str()).increment(1);
        }
        self.desk.ready(&operated.ready);
        Ok(operated)
    }

    async fn rehearse(
        &self,
        delivery: DeliveryId,
        operation: &Operation,
        by: &By,
    ) -> Result<Rehearsal, Error> {
        asked_for(operation, by)?;
        let row = self.row(delivery).await?;
        let (from, needs) = (row.state, operation.from());
        if !needs.contains(&from) {
            return Err(NotPossible::State { delivery, state: from, needs }.into());
        }
        let owed = self.store.of_message(row.message).await?.into_iter();
        let about = |it: &Obligation| it.delivery == Some(delivery) && it.state == ObligationState::Open;
        let filter = DeliveryFilter { message: Some(row.message), ..DeliveryFilter::default() };
        let beside = self.store.deliveries(filter, Page { offset: 0, limit: usize::from(u16::MAX) }).await?;
        let waits = |it: &DeliveryRow| it.after == Some(delivery) && it.state == Transport::Held;
        Ok(Rehearsal {
            from,
            to: operation.to(),
            duties: owed.filter(about).collect(),
            second_hops: beside.iter().filter(|it| waits(it)).map(|it| it.id).collect(),
        })
    }

    async fn replay(&self, plan: Replay, way: Way, by: By) -> Result<(), Error> {
        if way == Way::Done && by.reason.trim().is_empty() {
            return Err(Error::NoReason);
        }
        let now = self.clock.now();
        let mut steps = Vec::with_capacity(plan.steps.len());
        let mut unknown = Vec::new();
        for (delivery, from, redo) in plan.steps {
            let message = match self.row(delivery).await {
                Ok(row) => row.message,
                Err(Error::NotPossible(why)) => {
                    unknown.push(why);
                    continue;
                }
                Err(other) => return Err(other),
            };
            let data = trail::answered(json!({ "operation": redo.as_str(), "plan": plan.plan }), &by);
            let entry = trail::entry(trail::OPERATED, About::delivery(message, delivery), &data, now);
            steps.push(Step { delivery, from, redo, entry });
        }
        let way_there = if unknown.is_empty() { way } else { Way::Rehearsed };
        match self.store.replay(steps, way_there, now).await? {
            Ok(ready) if unknown.is_empty() => {
                self.desk.ready(&ready);
                Ok(())
            }
            Ok(_) => Err(Error::NotFitting(unknown)),
            Err(others) => Err(Error::NotFitting([unknown, others].concat())),
        }
    }

    async fn add_token(&self, name: &str, scope: Scope, by: By) -> Result<String, Error> {
        if let Scope::Endpoint(endpoint) = &scope
            && !self.endpoints.contains(endpoint)
        {
            return Err(Error::UnknownEndpoint(endpoint.to_string()));
        }
        let token = new_token()?;
        let now = self.clock.now();
        let data = trail::answered(json!({ "name": name, "scope": scope }), &by);
        let entry = trail::entry(trail::TOKEN_ADDED, About::default(), &data, now);
        let new = NewToken { name: name.to_owned(), hash: hash_token(&token), scope, created_at: now };
        if self.store.add_token(new, entry).await? {
            Ok(token)
        } else {
            Err(Error::NameTaken(name.to_owned()))
        }
    }

    async fn revoke_token(&self, name: &str, by: By) -> Result<(), Error> {
        let now = self.clock.now();
        let data = trail::answered(json!({ "name": name }), &by);
        let entry = trail::entry(trail::TOKEN_REVOKED, About::default(), &data, now);
        let revoked = self.store.revoke_token(name, entry, now).await?;
        if revoked { Ok(()) } else { Err(Error::NoToken(name.to_owned())) }
    }

    async fn keys(&self) -> Result<Vec<KeyState>, Error> {
        self.keys.refresh().await.map_err(|error| KeyFault::Unreadable(error.to_string()))?;
        Ok(self.keys.states())
    }

    async fn rehearse_rotation(&self) -> Result<Rotation, Error> {
        self.keys.rehearse(self.clock.now()).await
    }

    async fn rotate_keys(&self, by: By) -> Result<Rotation, Error> {
        self.keys.rotate(self.clock.now(), &by).await
    }
}

impl Office {
    async fn row(&self, delivery: DeliveryId) -> Result<DeliveryRow, Error> {
        let filter = DeliveryFilter { id: Some(delivery), ..DeliveryFilter::default() };
        let row = self.store.deliveries(filter, Page { offset: 0, limit: 1 }).await?.into_iter().next();
        Ok(row.ok_or(NotPossible::Unknown(delivery))?)
    }
}

/// What the store keeps of a token: it is random, so a plain digest tells nothing of it.
pub fn hash_token(token: &str) -> Sha256Digest {
    Sha256Digest(*Digest::of(token.as_bytes()).as_bytes())
}

fn new_token() -> Result<String, Error> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| Error::Randomness(error.to_string()))?;
    Ok(format!("{TOKEN_PREFIX}{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)))
}

/// The operation with its words made safe in the same way, since listings show them.
fn without_numbers(operation: Operation) -> Operation {
    match operation {
        Operation::Park { reason } => {
            Operation::Park { reason: personal::without_numbers(&reason).as_ref().into() }
        }
        other => other,
    }
}

/// Calling off, leaving out and stopping are answered for, so they need a reason.
fn asked_for(operation: &Operation, by: &By) -> Result<(), Error> {
    let needs = matches!(operation, Operation::Park { .. } | Operation::Skip | Operation::Withdraw);
    if needs && by.reason.trim().is_empty() { Err(Error::NoReason) } else { Ok(()) }
}

fn said(operation: &Operation) -> Value {
    match operation {
        Operation::ServeOffline { document } => json!({ operation.as_str(): document }),
        other => json!(other.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::operations::Said;

    #[test]
    fn numbers_of_persons_in_reasons_are_not_kept() {
        let said = Said { name: Some("张三13991512345".to_owned()), account: Some("hub".to_owned()) };
        let by = By { said, ..By::new("o", "电话13991512345核实") };
        let data = trail::answered(json!({}), &by);
        assert_eq!(data["reason"], "电话***********核实");
        assert_eq!((&data["by"], &data["account"]), (&json!("张三***********"), &json!("hub")));
        let parked = without_numbers(Operation::Park { reason: "61090219900307001X".into() });
        assert!(matches!(parked, Operation::Park { reason } if !reason.contains('6')));
    }

    #[test]
    fn tokens_are_random_and_marked() {
        let (one, other) = (new_token().unwrap(), new_token().unwrap());
        assert_ne!(one, other);
        assert!(one.starts_with(TOKEN_PREFIX) && one.len() > 40);
        assert_ne!(hash_token(&one), hash_token(&other));
    }
}
