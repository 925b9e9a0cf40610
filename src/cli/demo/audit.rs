//! The audit at the end of the demo: both sides' books, what the hub answered, the stories, the seals.
//!
//! Everything that does not hold is a [`Broken`] promise; an error means that the audit could not be made.

use std::{collections::HashMap, sync::Arc};

use super::{
    answers::{Answer, Said},
    party::AtWork,
    promises::{self, Broken, Ledger},
    stage::Stage,
    story::{Stories, Story},
};
use crate::{
    app,
    cli::{Error, seal, submit::failed},
    config::environment::Environment,
    domain::id::MessageId,
    evidence::{checkpoint::Origin, statement},
    task::Failure,
};

/// What is audited.
#[derive(Debug)]
pub(super) struct Audit<'a> {
    pub(super) stage: &'a Stage,
    pub(super) store: &'a promises::Store,
    pub(super) answers: &'a [Answer],
    pub(super) stories: &'a Stories,
}

impl Audit<'_> {
    pub(super) async fn run(&self) -> Result<Vec<Broken>, Error> {
        let mut broken = promises::compare(self.store, &self.ledgers());
        broken.extend(self.troubles());
        broken.extend(self.receipts()?);
        broken.extend(self.refusals());
        broken.extend(self.told().await?);
        broken.extend(self.seals().await?);
        Ok(broken)
    }

    fn ledgers(&self) -> Vec<Ledger> {
        let ledger = |party: &Arc<AtWork>| Ledger {
            endpoint: party.endpoint().clone(),
            lines: party.desk().ledger().lines(),
        };
        self.stage.parties.iter().map(ledger).collect()
    }

    fn troubles(&self) -> Vec<Broken> {
        let of = |party: &Arc<AtWork>| {
            let endpoint = party.endpoint().clone();
            let trouble = move |trouble| Broken::Trouble { endpoint: endpoint.clone(), trouble };
            party.desk().troubles().into_iter().map(trouble).collect::<Vec<_>>()
        };
        self.stage.parties.iter().flat_map(of).collect()
    }

    /// Every receipt verifies, one message has one receipt whatever how often it was sent, and no message
    /// is in the store whose sender holds none.
    fn receipts(&self) -> Result<Vec<Broken>, Error> {
        let keys = app::load::public_keys(self.stage.house.settings(), &Environment::default())?;
        let mut broken = Vec::new();
        let mut first: HashMap<MessageId, &[u8]> = HashMap::new();
        for answer in self.answers {
            let Said::Accepted(message, receipt) = &answer.said else { continue };
            let mut wrong = |why: String| broken.push(Broken::Receipt { what: answer.sheet.clone(), why });
            match statement::verify(receipt, &keys) {
                Ok(proven) if proven.id != message.to_string() => {
                    wrong(format!("it is about message {}, not {message}", proven.id));
                }
                Ok(_) => {}
                Err(invalid) => wrong(invalid.to_string()),
            }
            if first.insert(*message, receipt).is_some_and(|earlier| earlier != receipt) {
                wrong("the same message got another receipt the second time".to_owned());
            }
        }
        let unheard = self.store.messages.keys().filter(|message| !first.contains_key(*message));
        broken.extend(unheard.map(|message| Broken::Receipt {
            what: message.to_string(),
            why: "it is in the store, but its sender holds no receipt".to_owned(),
        }));
        Ok(broken)
    }

    /// Refused is only what a story says is refused, and for that reason.
    fn refusals(&self) -> Vec<Broken> {
        let expected = |answer: &&Answer| {
            let Said::Refused(code, _) = &answer.said else { return true };
            self.stories.stories.iter().any(|story| {
                story.is_in(answer) && story.refused.is_some_and(|refused| refused.as_str() == code)
            })
        };
        let unexpected = self.answers.iter().filter(|answer| !expected(answer));
        unexpected
            .filter_map(|answer| match &answer.said {
                Said::Refused(code, why) => Some(Broken::Trouble {
                    endpoint: answer.endpoint.clone(),
                    trouble: format!("{} was refused as {code}, which no case says: {why}", answer.sheet),
                }),
                Said::Accepted(..) => None,
            })
            .collect()
    }

    async fn told(&self) -> Result<Vec<Broken>, Error> {
        let mut broken = Vec::new();
        for story in &self.stories.stories {
            let wrongs = match story.refused {
                Some(_) => self.not_refused(story),
                None => self.ended_wrong(story).await?,
            };
            let case = |wrong| Broken::Story { case: story.id.clone(), wrong };
            broken.extend(wrongs.into_iter().map(case));
        }
        Ok(broken)
    }

    fn not_refused(&self, story: &Story) -> Vec<String> {
        let refused = |answer: &Answer| story.is_in(answer) && matches!(answer.said, Said::Refused(..));
        if self.answers.iter().any(refused) { Vec::new() } else { vec!["it was not refused".to_owned()] }
    }

    async fn ended_wrong(&self, story: &Story) -> Result<Vec<String>, Error> {
        let store = self.stage.house.store();
        let Some(message) = story.message(store.as_ref()).await.map_err(Failure::from)? else {
            return Ok(vec![format!("message {} of {} was never accepted", story.key, story.organisation)]);
        };
        let rows: Vec<_> =
            self.store.deliveries.iter().filter(|row| row.message == message).cloned().collect();
        Ok(story.wrongs(&rows))
    }

    async fn seals(&self) -> Result<Vec<Broken>, Error> {
        self.stage.house.seal().await?;
        let origin = Origin::new(&*self.stage.house.settings().seal.origin)
            .map_err(|error| failed(error.to_string()))?;
        let keys = app::load::public_keys(self.stage.house.settings(), &Environment::default())?;
        let report = seal::verify(self.stage.house.store().as_ref(), origin, keys).await?;
        let holds = report.is_intact() && report.unsealed == 0 && report.sealed > 0;
        Ok(if holds { Vec::new() } else { vec![Broken::Seal(report.to_string())] })
    }
}
