//! How commands tell what came of them: once or again and again, for one object or for several.

use std::time::Duration;

use serde_json::Value;

use crate::{
    failure::Failure,
    noun::Noun,
    output::{self, Format},
    session::text,
};

/// Shows something once, or `every` so often until the program is interrupted.
pub(crate) async fn watched<F>(
    every: Option<Duration>,
    mut show: impl FnMut() -> F,
) -> Result<(), Failure>
where
    F: Future<Output = Result<(), Failure>>,
{
    let Some(every) = every else {
        return show().await;
    };
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
        tokio::time::sleep(every).await;
    }
}

/// Reports what was done to an object: a line for people, the object for programs.
pub(crate) fn report(
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
pub(crate) struct Tally {
    done: usize,
    failed: usize,
    /// The exit code of the first failure.
    code: u8,
}

impl Tally {
    pub(crate) fn done(&mut self) {
        self.done += 1;
    }

    /// Shows a failure, and gives it back when it makes no sense to go on.
    pub(crate) fn failed(&mut self, origin: &str, failure: Failure) -> Result<(), Failure> {
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

    pub(crate) fn end(self) -> Result<(), Failure> {
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
