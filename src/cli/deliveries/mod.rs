//! `liandong deliveries`: list them and operate on them, whether or not the hub runs.

mod list;
mod operate;

use clap::{Args, Subcommand};

pub(super) use list::because;

use super::{Call, Error};

/// What to do.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List deliveries, in order of acceptance
    List(list::Arguments),
    /// Try again now; attempts and age start again
    Retry(operate::One),
    /// Stop it for a person; what is behind it in its lane waits
    Park(operate::Answered),
    /// Leave a parked one out, so that its lane goes on
    Skip(operate::Answered),
    /// Call it off (取消推送)
    Withdraw(operate::Answered),
    /// Record that it was served on paper (线下送达)
    Offline(operate::Offline),
    /// Confirm the relay of a held second hop (转报确认)
    Confirm(operate::One),
}

pub(super) async fn run(call: Call<'_>, arguments: Arguments) -> Result<(), Error> {
    match arguments.what {
        What::List(arguments) => list::run(call, arguments).await,
        What::Retry(one) => operate::run(call, "retry", one.into()).await,
        What::Park(answered) => operate::run(call, "park", answered.into()).await,
        What::Skip(answered) => operate::run(call, "skip", answered.into()).await,
        What::Withdraw(answered) => operate::run(call, "withdraw", answered.into()).await,
        What::Offline(offline) => operate::run(call, "offline", offline.into()).await,
        What::Confirm(one) => operate::run(call, "confirm", one.into()).await,
    }
}
