//! `apply`: what files describe, created or replaced.

use serde_json::Value;

use crate::{
    args::Apply,
    documents::{self, Document},
    failure::Failure,
    output::{self, Format},
    session::{Place, Session, items, text},
    telling::{Tally, report, show_warnings},
};

pub(super) async fn run(session: &Session, apply: &Apply) -> Result<(), Failure> {
    let documents = documents::documents(&apply.file)?;
    if documents.is_empty() {
        output::message("nothing to apply");
        return Ok(());
    }
    let mut written = Vec::new();
    let mut tally = Tally::default();
    for document in &documents {
        match write(session, document).await {
            Ok(applied) => {
                tally.done();
                show_warnings(&applied.object);
                applied.report(document, session.format)?;
                written.push(applied.object);
            }
            Err(failure) => tally.failed(&format!("{}: ", document.origin), failure)?,
        }
    }
    match session.format {
        Format::Json => output::json(&items(&written))?,
        Format::Yaml => output::yaml(&items(&written))?,
        Format::Table | Format::Wide | Format::Name => {}
    }
    tally.end()
}

/// What became of a document.
struct Applied {
    done: &'static str,
    object: Value,
}

impl Applied {
    fn report(&self, document: &Document, format: Format) -> Result<(), Failure> {
        if matches!(format, Format::Json | Format::Yaml) {
            // They show all objects together, in the end.
            return Ok(());
        }
        let name = text(&self.object, "name").unwrap_or("?");
        let name = document.place().name_outside(name);
        report(document.noun, &name, self.done, &self.object, format)?;
        match text(&self.object, "key") {
            Some(key) if format != Format::Name => {
                output::data(&format!("  its key, shown this once: {key}"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Document {
    fn place(&self) -> Place<'_> {
        Place {
            noun: self.noun,
            gateway: self.gateway.as_deref(),
            upstream: self.upstream.as_deref(),
        }
    }
}

async fn write(session: &Session, document: &Document) -> Result<Applied, Failure> {
    let place = document.place();
    let found = match document.name() {
        Some(name) => session.find(&place, name).await?.map(|found| (name, found)),
        None => None,
    };
    let Some((name, found)) = found else {
        return Ok(Applied {
            done: "created",
            object: session.create(&place, &document.spec).await?,
        });
    };
    let object = session
        .replace(&place, name, &document.spec, found.etag.as_deref())
        .await?;
    let is_same = object.get("revision") == found.body.get("revision");
    Ok(Applied {
        done: if is_same { "unchanged" } else { "configured" },
        object,
    })
}
