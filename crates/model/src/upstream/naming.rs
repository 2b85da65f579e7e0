//! Gives names to targets that were written without one, the same as before where they stay.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::{
    Credentials, HealthChecks, Name, SecretSource, Target,
    reading::Reading,
    target::written::{Place, WrittenTarget},
};

/// Names each target and makes it whole. A name that is used twice is reported.
pub(super) fn complete(
    upstream: Uuid,
    written: Vec<WrittenTarget>,
    checks: &HealthChecks,
    reading: &mut Reading<'_>,
) -> Vec<Target> {
    let names = name_all(&written, reading);
    let mut used = BTreeSet::new();
    let mut targets = Vec::with_capacity(written.len());
    for (target, name) in written.into_iter().zip(names) {
        if !used.insert(name.clone()) {
            let message = format!("target name {name} is used twice");
            reading.faults.push(&target.name_pointer, message);
        }
        let place = Place {
            slot: slot(&name),
            name,
        };
        targets.push(target.complete(upstream, place, checks, reading));
    }
    targets
}

/// Returns where the secrets of the target called `name` are kept.
fn slot(name: &str) -> String {
    format!("targets/{name}/credentials")
}

/// Returns a name for each target: the one written, else that of the previous target that it most
/// likely is, else `<provider or host>-<index>`.
fn name_all(written: &[WrittenTarget], reading: &Reading<'_>) -> Vec<Name> {
    let mut names: Vec<Option<Name>> = written.iter().map(|target| target.name.clone()).collect();
    let mut taken: BTreeSet<Name> = names.iter().flatten().cloned().collect();
    for likeness in Likeness::ALL {
        for (index, (target, name)) in written.iter().zip(&mut names).enumerate() {
            if name.is_some() {
                continue;
            }
            let same = reading
                .previous
                .iter()
                .enumerate()
                .find(|(previous_index, previous)| {
                    !taken.contains(previous.name())
                        && likeness.holds(target, previous, index == *previous_index)
                });
            if let Some((_, previous)) = same {
                taken.insert(previous.name().clone());
                *name = Some(previous.name().clone());
            }
        }
    }
    taken.extend(reading.previous.iter().map(|target| target.name().clone()));
    let mut named = Vec::with_capacity(names.len());
    for (index, (target, name)) in written.iter().zip(names).enumerate() {
        named.push(name.unwrap_or_else(|| {
            let label = target.settings.destination().label();
            let mut number = index;
            let mut new = Name::numbered(label, number);
            while !taken.insert(new.clone()) {
                number += 1;
                new = Name::numbered(label, number);
            }
            new
        }));
    }
    named
}

/// What makes a written target the same as a previous one, the surest first.
#[derive(Clone, Copy)]
enum Likeness {
    PlaceAndCredentials,
    Credentials,
    Place,
    Destination,
}

impl Likeness {
    const ALL: [Self; 4] = [
        Self::PlaceAndCredentials,
        Self::Credentials,
        Self::Place,
        Self::Destination,
    ];

    fn holds(self, target: &WrittenTarget, previous: &Target, is_same_place: bool) -> bool {
        if target.settings.destination() != previous.destination() {
            return false;
        }
        match self {
            Self::PlaceAndCredentials => is_same_place && has_same_secret(target, previous),
            Self::Credentials => has_same_secret(target, previous),
            Self::Place => is_same_place,
            Self::Destination => true,
        }
    }
}

fn has_same_secret(target: &WrittenTarget, previous: &Target) -> bool {
    let written = target
        .credentials
        .as_ref()
        .and_then(|written| written.literal());
    let kept = match previous.credentials().map(Credentials::value) {
        Some(SecretSource::Literal(secret)) => Some(secret),
        Some(SecretSource::Env(_) | SecretSource::File(_)) | None => None,
    };
    written.is_some() && written == kept
}
