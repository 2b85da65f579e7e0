//! `get`: objects of a kind.

use serde_json::Value;

use crate::{
    args::Get,
    failure::Failure,
    noun::Noun,
    session::{Place, Session},
    tables::{self, Shown},
    telling::watched,
};

pub(super) async fn run(session: &Session, get: &Get) -> Result<(), Failure> {
    watched(get.watch.every(), || async {
        let objects = objects(session, get).await?;
        let is_one = match get.names.as_slice() {
            [name] => get.noun != Noun::Target || name.contains('/'),
            _ => false,
        };
        tables::show(get.noun, &objects, session.format, is_one)
    })
    .await
}

async fn objects(session: &Session, get: &Get) -> Result<Vec<Shown>, Failure> {
    match get.noun {
        Noun::Target => targets(session, &get.names).await,
        Noun::Object(_) if get.names.is_empty() => {
            let path = session.collection(&Place::within(get.noun)).await?;
            let objects = session.list(&path).await?;
            Ok(objects.into_iter().map(Shown::new).collect())
        }
        Noun::Object(_) => {
            let mut objects = Vec::new();
            for name in &get.names {
                objects.push(Shown::new(one(session, get.noun, name).await?));
            }
            Ok(objects)
        }
    }
}

/// Reads targets: by `UPSTREAM/TARGET`, all of an `UPSTREAM`, or all there are.
async fn targets(session: &Session, names: &[String]) -> Result<Vec<Shown>, Failure> {
    let every = match names {
        [] => session.upstream_names().await?,
        _ => Vec::new(),
    };
    let mut targets = Vec::new();
    for name in names.iter().chain(&every) {
        if let Some((upstream, _)) = name.split_once('/') {
            let target = one(session, Noun::Target, name).await?;
            targets.push(Shown::target(upstream, target));
        } else {
            let path = session.collection(&Place::targets_of(name)).await?;
            let all = session.list(&path).await?;
            targets.extend(all.into_iter().map(|target| Shown::target(name, target)));
        }
    }
    Ok(targets)
}

async fn one(session: &Session, noun: Noun, name: &str) -> Result<Value, Failure> {
    let (place, name) = Place::of(noun, name)?;
    Ok(session.read(&place, name).await?.body)
}
