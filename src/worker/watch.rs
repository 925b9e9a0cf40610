//! Picking up files: each goes through the adapter and intake, and is moved only after the answer.
//!
//! A file whose records cannot all be read or mapped is refused whole. When some of its records are
//! refused by intake, the others are accepted; the file then lies in `failed/` with what is wrong, and
//! sending it again corrected accepts the rest and repeats the receipts of those already taken. Overload
//! leaves the file where it is.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::Adapter;
use crate::{
    config::adapter::Receipts,
    port::{
        intake::{Accepted, Code, Intake, Refusal},
        pickup::{self, Content, Found, Pickup},
    },
};

/// Files taken at one look.
const FILES_A_LOOK: usize = 100;

/// Watches for the files of one adapter.
#[derive(Debug)]
pub struct Watch {
    /// Whose.
    pub adapter: Arc<Adapter>,
    /// Where messages go.
    pub intake: Arc<dyn Intake>,
    /// Time between looks.
    pub poll_ms: u64,
    /// Whether receipts are written.
    pub receipts: Receipts,
}

/// What became of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picked {
    /// All of it was accepted.
    Done,
    /// Something was refused; a person corrects it.
    Failed,
    /// The hub could not take it now; it stays.
    Left,
}

impl Watch {
    /// Looks until told to end. A folder that fails is said so and looked at again.
    pub async fn run(&self, mut pickup: Box<dyn Pickup>, stop: CancellationToken) {
        let mut interval = tokio::time::interval(Duration::from_millis(self.poll_ms));
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = interval.tick() => {}
            }
            if let Err(error) = self.look(&mut *pickup, &stop).await {
                let endpoint = self.adapter.endpoint();
                let cause = &error.source;
                tracing::error!(%endpoint, %error, %cause, "folder cannot be worked on, trying again");
            }
        }
    }

    /// One look: every settled file, in order. Ends early when told to end, between two files.
    pub async fn look(
        &self,
        pickup: &mut dyn Pickup,
        stop: &CancellationToken,
    ) -> Result<Vec<Picked>, pickup::Error> {
        let mut picked = Vec::new();
        for found in pickup.look(FILES_A_LOOK).await? {
            if stop.is_cancelled() {
                break;
            }
            picked.push(self.pick(&*pickup, &found).await?);
        }
        Ok(picked)
    }

    async fn pick(&self, pickup: &dyn Pickup, found: &Found) -> Result<Picked, pickup::Error> {
        let translated = match pickup.read(found).await? {
            Content::Whole(body) => self.adapter.inbound(&body).map_err(|refusal| (body, refusal)),
            Content::TooLarge { found_bytes, limit_bytes } => {
                let text = format!("the file has {found_bytes} bytes, the limit is {limit_bytes}; split it");
                Err((Bytes::new(), Refusal::new(Code::TooLarge, text)))
            }
        };
        let submissions = match translated {
            Ok(submissions) => submissions,
            Err((body, refusal)) => {
                self.intake.note_unreadable(self.adapter.endpoint(), &body, &refusal).await;
                pickup.failed(found, &explain(found, &[(None, refusal)])).await?;
                return Ok(Picked::Failed);
            }
        };
        let answers = self.intake.submit(submissions).await;
        self.settle(pickup, found, &answers).await
    }

    async fn settle(
        &self,
        pickup: &dyn Pickup,
        found: &Found,
        answers: &[Result<Accepted, Refusal>],
    ) -> Result<Picked, pickup::Error> {
        let refused = |answer: &Result<Accepted, Refusal>| answer.as_ref().err().cloned();
        let refusals: Vec<_> = answers
            .iter()
            .enumerate()
            .filter_map(|(index, answer)| Some((Some(index + 1), refused(answer)?)))
            .collect();
        if refusals.iter().any(|(_, refusal)| refusal.code.retryable()) {
            return Ok(Picked::Left);
        }
        if self.receipts == Receipts::Write {
            pickup.write_receipts(found, receipts(answers).as_bytes()).await?;
        }
        if refusals.is_empty() {
            pickup.done(found).await?;
            return Ok(Picked::Done);
        }
        pickup.failed(found, &explain(found, &refusals)).await?;
        Ok(Picked::Failed)
    }
}

/// One entry a record, in order: the receipt verbatim as text, or the refusal.
fn receipts(answers: &[Result<Accepted, Refusal>]) -> String {
    let entry = |answer: &Result<Accepted, Refusal>| match answer {
        Ok(accepted) => json!({
            "message": accepted.message,
            "receipt": String::from_utf8_lossy(&accepted.receipt),
        }),
        Err(refusal) => json!({ "refused": refusal }),
    };
    Value::Array(answers.iter().map(entry).collect()).to_string()
}

fn explain(found: &Found, refusals: &[(Option<usize>, Refusal)]) -> String {
    let mut text = format!(
        "文件 {name} 未被接收或未全部接收。请按下列问题修改后，以新文件重新放入；已接收的记录不会重复办理。\n\
         File {name} was refused, or part of it was. Correct what follows and put it down again as a new \
         file; records already accepted are not taken twice.\n",
        name = found.name()
    );
    for (number, refusal) in refusals {
        let place = number.map(|number| format!("第{number}条 record {number}: ")).unwrap_or_default();
        // Writing to a string cannot fail.
        writeln!(text, "\n{place}[{}] {}", refusal.code, refusal.detail).ok();
        for fault in &refusal.faults {
            writeln!(text, "  - {}: {}", fault.path, fault.text).ok();
        }
    }
    text
}
