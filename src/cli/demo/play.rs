//! The play: hands the day in, half by half, shows progress until nothing moves any more, then has the
//! books checked and shown.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{
    answers::{self, Answer, Said},
    audit::Audit,
    books::Books,
    day::{Day, Half},
    promises::{self, Broken},
    screen::Totals,
    show::Show,
    stage::Stage,
    story::Stories,
};
use crate::{
    cli::Error,
    domain::id::MessageId,
    task::{self, Failure},
};

/// Time between two looks at whether anything moves.
const LOOK: Duration = Duration::from_millis(200);
/// Looks between two lines of progress.
const LOOKS_A_LINE: u32 = 5;
/// When a half day counts as stuck.
const PATIENCE: Duration = Duration::from_secs(90);

/// One performance.
#[derive(Debug)]
pub(super) struct Play<'a, 'o> {
    pub(super) stage: &'a mut Stage,
    pub(super) show: &'a mut Show<'o>,
}

/// What is compared between two looks: when nothing moves and none of these rises, the half is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Moving,
    Quiet { answers: usize, totals: Totals },
}

impl Play<'_, '_> {
    /// Plays the day and gives the promises that were broken.
    pub(super) async fn run(self) -> Result<Vec<Broken>, Error> {
        let Self { stage, show } = self;
        let stories = Stories::read(&stage.world.join("stories.toml")).map_err(Failure::from)?;
        let endpoints = stage.parties.iter().map(|party| party.endpoint());
        let day = Day::read(&stage.world.join("messages"), endpoints).map_err(Failure::from)?;
        show.opening(stage, &day)?;
        let begun = Instant::now();
        let mut books = Books::new(stage.house.store());
        for half in Half::ALL {
            show.half(half)?;
            let parties = stage.parties.clone();
            tokio::select! {
                () = day.hand_in(half, &parties) => {}
                error = stage.watch() => return Err(failed(error)),
                error = lines(&mut books, show, begun) => return Err(error),
            }
            settle(stage, &mut books, show, begun).await?;
        }
        let answers = answers::collect(&stage.parties).map_err(Failure::from)?;
        let store = books.fetch(&accepted(&answers)).await.map_err(Failure::from)?;
        show.books(stage, &store, &answers)?;
        show.shares(&stage.house.shares().await?)?;
        show.journey(stage, &stories).await?;
        let audit = Audit { stage, store: &store, answers: &answers, stories: &stories };
        let broken = audit.run().await?;
        show.verdict(&broken, &stories)?;
        Ok(broken)
    }
}

fn failed(error: task::Error) -> Error {
    Error::Other(error.into())
}

fn accepted(answers: &[Answer]) -> Vec<MessageId> {
    let message = |answer: &Answer| match answer.said {
        Said::Accepted(message, _) => Some(message),
        Said::Refused(..) => None,
    };
    answers.iter().filter_map(message).collect()
}

/// Shows progress while a half is handed in; ends only by an error.
async fn lines(books: &mut Books, show: &mut Show<'_>, begun: Instant) -> Error {
    let mut ticks = interval(LOOK * LOOKS_A_LINE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = line(books, show, begun).await {
            return error;
        }
    }
}

async fn line(books: &mut Books, show: &mut Show<'_>, begun: Instant) -> Result<promises::Store, Error> {
    let store = books.fetch(&[]).await.map_err(Failure::from)?;
    show.progress(begun.elapsed(), Totals::of(&store))?;
    Ok(store)
}

/// Waits until nothing moves: two looks in a row find every party idle, no delivery under way, and nothing
/// more than the look before. A half that stays stuck is left to the audit, which names what is unsettled.
async fn settle(
    stage: &mut Stage,
    books: &mut Books,
    show: &mut Show<'_>,
    begun: Instant,
) -> Result<(), Error> {
    let end = Instant::now() + PATIENCE;
    let mut last = Look::Moving;
    let mut looks: u32 = 0;
    while Instant::now() < end {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            error = stage.watch() => return Err(failed(error)),
        }
        let look = look(stage, books).await?;
        if look == last && look != Look::Moving {
            return line(books, show, begun).await.map(drop);
        }
        last = look;
        looks += 1;
        if looks.is_multiple_of(LOOKS_A_LINE) {
            line(books, show, begun).await?;
        }
    }
    Ok(())
}

async fn look(stage: &Stage, books: &mut Books) -> Result<Look, Error> {
    let idle = || stage.parties.iter().all(|party| party.is_idle());
    if !idle() {
        return Ok(Look::Moving);
    }
    let store = books.fetch(&[]).await.map_err(Failure::from)?;
    let totals = Totals::of(&store);
    if totals.moving > 0 || !idle() {
        return Ok(Look::Moving);
    }
    let answers = stage.parties.iter().map(|party| party.book().len()).sum();
    Ok(Look::Quiet { answers, totals })
}
