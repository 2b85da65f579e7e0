//! What the commands do.

mod apply;
mod create;
mod delete;
mod describe;
mod get;
mod health;
mod targets;

use std::time::Duration;

use serde_json::Value;

use crate::{
    args::{Command, Format, Watch},
    failure::Failure,
    noun::Noun,
    output, rehearsal,
    session::{Session, text},
};

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

/// Shows something once, or again and again until the program is interrupted.
async fn watched<F>(watch: &Watch, mut show: impl FnMut() -> F) -> Result<(), Failure>
where
    F: Future<Output = Result<(), Failure>>,
{
    if !watch.watch {
        return show().await;
    }
    loop {
        output::clear()?;
        match show().await {
            Ok(()) => {}
            // A gateway that restarts while someone watches it comes back.
            Err(failure @ (Failure::Unreachable { .. } | Failure::Timeout { .. })) => {
                output::message(&format!("error: {failure}"));
            }
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(Duration::from_secs(watch.interval)).await;
    }
}

/// Reports what was done to an object: a line for people, the object for programs.
fn report(
    noun: Noun,
    name: &str,
    done: &str,
    object: &Value,
    format: Format,
) -> Result<(), Failure> {
    match format {
        Format::Table | Format::Wide => output::data(&format!("{}/{name} {done}", noun.as_str())),
        Format::Name => output::data(&format!("{}/{name}", noun.as_str())),
        Format::Json => output::json(object),
        Format::Yaml => output::yaml(object),
    }
}

/// Shows what the gateway warns of, such as a target that takes no traffic.
pub(crate) fn show_warnings(object: &Value) {
    let warnings = object.get("warnings").and_then(Value::as_array);
    for warning in warnings.into_iter().flatten() {
        let target = text(warning, "target").map(|target| format!("target {target}: "));
        let message = text(warning, "message").unwrap_or_default();
        output::message(&format!("warning: {}{message}", target.unwrap_or_default()));
    }
}

/// How many of several objects went well; each failure is shown as it comes.
#[derive(Default)]
struct Tally {
    done: usize,
    failed: usize,
    /// The exit code of the first failure.
    code: u8,
}

impl Tally {
    fn done(&mut self) {
        self.done += 1;
    }

    /// Shows a failure, and gives it back when it makes no sense to go on.
    fn failed(&mut self, origin: &str, failure: Failure) -> Result<(), Failure> {
        if matches!(
            failure,
            Failure::Unreachable { .. } | Failure::Timeout { .. }
        ) {
            return Err(failure);
        }
        output::message(&format!("error: {origin}{failure}"));
        if self.failed == 0 {
            self.code = failure.exit_code();
        }
        self.failed += 1;
        Ok(())
    }

    fn end(self) -> Result<(), Failure> {
        if self.failed == 0 {
            return Ok(());
        }
        Err(Failure::Some {
            failed: self.failed,
            all: self.done + self.failed,
            code: self.code,
        })
    }
}
