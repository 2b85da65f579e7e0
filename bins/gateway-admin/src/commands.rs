//! What the commands do.

mod apply;
mod create;
mod delete;
mod describe;
mod get;
mod health;
mod targets;

use crate::{args::Command, failure::Failure, rehearsal, session::Session};

/// Carries out a command over the Admin API.
pub(crate) async fn run(session: &Session, command: Command) -> Result<(), Failure> {
    match command {
        Command::Get(get) => get::run(session, &get).await,
        Command::Describe(describe) => describe::run(session, &describe).await,
        Command::Create(create) => create::run(session, &create).await,
        Command::Apply(apply) => apply::run(session, &apply).await,
        Command::Delete(delete) => delete::run(session, &delete).await,
        Command::Health(health) => health::run(session, &health).await,
        Command::Drain(drain) => targets::drain(session, &drain).await,
        Command::Enable(these) => targets::enable(session, &these).await,
        Command::Disable(these) => targets::disable(session, &these).await,
        Command::Rehearse(rehearse) => rehearsal::run(session, &rehearse).await,
        Command::Serve(_) => Err(Failure::Usage {
            message: "serve talks to no gateway".to_owned(),
        }),
    }
}
