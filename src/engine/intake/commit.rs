//! The committer: takes what is prepared, without waiting for more, commits once, answers.

use std::sync::Arc;

use futures::{StreamExt as _, stream::FuturesOrdered};
use metrics::histogram;
use tokio::sync::{mpsc, oneshot};

use super::{
    Answer, Job,
    clerk::{Clerk, Said},
    unavailable,
};
use crate::{
    port::intake::Refusal,
    task::{Failure, metrics::INTAKE_BATCH},
};

/// Batches on their way to the disk at once: one commits while the next is made.
const PIPELINE: usize = 2;

/// The committing task.
#[derive(Debug)]
pub struct Committer {
    pub(super) clerk: Arc<Clerk>,
    pub(super) queue: mpsc::Receiver<Job>,
    pub(super) batch_limit: usize,
}

impl Committer {
    /// Runs until every reception is gone and what was queued is answered.
    pub async fn run(self) -> Result<(), Failure> {
        let Self { clerk, mut queue, batch_limit } = self;
        let mut pipeline = FuturesOrdered::new();
        let mut jobs = Vec::new();
        let mut open = true;
        while open || !pipeline.is_empty() {
            tokio::select! {
                taken = queue.recv_many(&mut jobs, batch_limit), if open && pipeline.len() < PIPELINE => {
                    open = taken > 0;
                    if open {
                        clerk.keys.confirm().await;
                        pipeline.push_back(commit(&clerk, std::mem::take(&mut jobs)));
                    }
                }
                Some(()) = pipeline.next() => {}
            }
        }
        Ok(())
    }
}

/// Starts a batch at once and answers when it is durable.
fn commit(clerk: &Clerk, jobs: Vec<Job>) -> impl Future<Output = ()> + use<'_> {
    histogram!(INTAKE_BATCH).record(u32::try_from(jobs.len()).unwrap_or(u32::MAX));
    let now = clerk.clock.now();
    let (prepared, waiting): (Vec<_>, Vec<_>) = jobs.into_iter().map(|job| (job.prepared, job.reply)).unzip();
    let made = clerk.draw_up(prepared, now);
    async move {
        let acceptances = match made {
            Ok(acceptances) => acceptances,
            Err(refusal) => return refuse(&refusal, waiting),
        };
        let said: Vec<_> = acceptances.iter().map(Said::of).collect();
        match clerk.store.accept(acceptances, now).await {
            Ok(verdicts) => {
                for ((verdict, said), reply) in verdicts.into_iter().zip(said).zip(waiting) {
                    // A sender that no longer waits asks again and gets the same receipt.
                    drop(reply.send(clerk.answer(verdict, said)));
                }
            }
            Err(error) => refuse(&unavailable(&error), waiting),
        }
    }
}

fn refuse(refusal: &Refusal, waiting: Vec<oneshot::Sender<Answer>>) {
    for reply in waiting {
        drop(reply.send(Answer::Refused(refusal.clone())));
    }
}
