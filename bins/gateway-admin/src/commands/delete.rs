//! `delete`: objects, by name.

use http::Method;

use crate::{
    args::Delete,
    client::Call,
    failure::Failure,
    output::{self, Format},
    session::{Place, Session},
    telling::Tally,
};

pub(super) async fn run(session: &Session, delete: &Delete) -> Result<(), Failure> {
    if !delete.yes && output::is_interactive() {
        let what = format!("{} {}", delete.noun.as_str(), delete.names.join(", "));
        if !output::confirm(&format!("Delete {what}?"))? {
            return Err(Failure::Declined);
        }
    }
    let mut tally = Tally::default();
    for name in &delete.names {
        match one(session, delete, name).await {
            Ok(()) => tally.done(),
            Err(failure) if delete.names.len() == 1 => return Err(failure),
            Err(failure) => tally.failed("", failure)?,
        }
    }
    tally.end()
}

async fn one(session: &Session, delete: &Delete, name: &str) -> Result<(), Failure> {
    let (place, inner) = Place::of(delete.noun, name)?;
    let mut path = session.collection(&place).await?;
    path.push(inner);
    match session
        .client
        .send(Call::new(Method::DELETE, &path, None))
        .await
    {
        Ok(_) => {}
        Err(Failure::Refused(problem))
            if delete.ignore_not_found && problem.is_missing_object() =>
        {
            return Ok(());
        }
        Err(failure) => return Err(failure),
    }
    match session.format {
        Format::Table | Format::Wide => {
            output::data(&format!("{}/{name} deleted", delete.noun.as_str()))
        }
        Format::Name => output::data(&format!("{}/{name}", delete.noun.as_str())),
        Format::Json | Format::Yaml => Ok(()),
    }
}
