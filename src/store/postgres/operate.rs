//! What a person does to one delivery.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    book::{Book, Seeds},
    error::Failure,
    insert,
    runner::Job,
    session::Session,
    settle::ready,
    write::{self, Claimable, Done},
};
use crate::{
    domain::id::DeliveryId,
    port::store::{NewEntry, NotPossible, Operated, Operation},
    store::change::{Change, Rows as _, operate},
};

/// Does it, and writes the entry, or says why it cannot be done.
pub(super) struct Operating {
    /// To which.
    pub(super) delivery: DeliveryId,
    /// What.
    pub(super) operation: Operation,
    /// Who and why.
    pub(super) entry: NewEntry,
    /// The call's time.
    pub(super) now: Timestamp,
}

#[async_trait]
impl Job for Operating {
    type Output = Done<Result<Operated, NotPossible>>;

    async fn run(&self, session: &Session<'_>) -> Result<Self::Output, Failure> {
        let refused = |why| Ok(Done { told: Err(why), claimable: Claimable::new() });
        let seeds = Seeds { ids: vec![self.delivery.0], ..Seeds::default() };
        let book = Book::open(session, &seeds).await?;
        let Some(number) = book.number_of(self.delivery) else {
            return refused(NotPossible::Unknown(self.delivery));
        };
        let mut change = Change::new(book, self.now);
        let standing = change.rows.standing(number)?;
        if let Err(why) = operate::operate(&mut change, self.delivery, &standing, &self.operation)? {
            return refused(why);
        }
        insert::entries(session, &[&self.entry]).await?;
        let promoted = write::book(session, &change.rows, self.now).await?;
        write::counts(session, std::mem::take(&mut change.tally)).await?;
        let to = change.rows.standing(number)?.state;
        let ready = ready(change.rows.touched(), &promoted, self.now);
        Ok(Done {
            told: Ok(Operated { from: standing.state, to, ready }),
            claimable: write::claimable(&promoted).collect(),
        })
    }
}
