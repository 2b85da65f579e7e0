//! What one writer knows of the upstreams that are its own, and what may be found of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The upstreams of one writer: each absent, or there with the number of the write that made it.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    writer: usize,
    acknowledged: BTreeMap<String, Option<u64>>,
    /// The write that was sent and not answered.
    doubtful: Option<(String, Option<u64>)>,
}

/// An upstream as the gateway shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Stored {
    pub(crate) name: String,
    /// The number of the write; `None` when its parts are of different writes.
    pub(crate) number: Option<u64>,
}

/// One write.
#[derive(Clone, Debug)]
pub(crate) enum Write {
    Create { name: String, number: u64 },
    Change { name: String, number: u64 },
    Delete { name: String },
}

impl Slots {
    pub(crate) fn new(writer: usize, count: usize) -> Self {
        let names = (0..count).map(|slot| (format!("w{writer}-{slot}"), None));
        Self {
            writer,
            acknowledged: names.collect(),
            doubtful: None,
        }
    }

    /// Chooses the next write by `chance`, and holds it for doubtful until it is acknowledged.
    /// `number` is of no other write.
    pub(crate) fn begin(&mut self, chance: usize, number: u64) -> Option<Write> {
        let place = chance % self.acknowledged.len().max(1);
        let (name, now) = self.acknowledged.iter().nth(place)?;
        let name = name.clone();
        let write = match now {
            None => Write::Create { name, number },
            Some(_) if (chance / self.acknowledged.len()).is_multiple_of(4) => {
                Write::Delete { name }
            }
            Some(_) => Write::Change { name, number },
        };
        self.doubtful = Some(write.outcome());
        Some(write)
    }

    /// The gateway said that the last write is done.
    pub(crate) fn acknowledge(&mut self) {
        if let Some((name, number)) = self.doubtful.take() {
            self.acknowledged.insert(name, number);
        }
    }

    /// Holds what is stored against what was acknowledged, says what is wrong, and goes on from what
    /// is stored. Answers too whether the doubtful write is there.
    pub(crate) fn check(&mut self, stored: &[Stored], faults: &mut Vec<String>) -> Option<bool> {
        let prefix = format!("w{}-", self.writer);
        let own = stored.iter().filter(|one| one.name.starts_with(&prefix));
        let mut found = BTreeMap::new();
        for one in own {
            if !self.acknowledged.contains_key(&one.name) {
                faults.push(format!("{} was never written", one.name));
            } else if one.number.is_none() {
                faults.push(format!("{} is there in parts", one.name));
            }
            if found.insert(one.name.clone(), one.number).is_some() {
                faults.push(format!("{} is there twice", one.name));
            }
        }
        let doubtful = self.doubtful.take();
        let mut is_there = None;
        for (name, known) in &mut self.acknowledged {
            let now = found.get(name).copied().flatten();
            match &doubtful {
                Some((of, wanted)) if of == name && (now == *wanted || now == *known) => {
                    is_there = Some(now == *wanted);
                }
                _ if now == *known => {}
                _ => faults.push(format!(
                    "{name}: {known:?} was acknowledged, {now:?} is there, {doubtful:?} was under way"
                )),
            }
            *known = now;
        }
        is_there
    }
}

impl Stored {
    /// Reads an upstream of the Admin API. Each of its parts holds the number of the write.
    pub(crate) fn read(shown: &Value) -> Self {
        let name = shown.get("name").and_then(Value::as_str);
        let targets = shown.get("targets").and_then(Value::as_array);
        let targets = targets.map(Vec::as_slice).unwrap_or_default();
        let numbers: Vec<_> = targets.iter().map(number).collect();
        let first = numbers.first().copied().flatten();
        let is_whole = numbers.len() == PARTS && numbers.iter().all(|number| *number == first);
        Self {
            name: name.unwrap_or_default().to_owned(),
            number: first.filter(|_| is_whole),
        }
    }
}

fn number(target: &Value) -> Option<u64> {
    let model = target.get("default_model")?.as_str()?;
    model.strip_prefix("m-")?.parse().ok()
}

impl Write {
    /// What is there when it is done.
    fn outcome(&self) -> (String, Option<u64>) {
        match self {
            Self::Create { name, number } | Self::Change { name, number } => {
                (name.clone(), Some(*number))
            }
            Self::Delete { name } => (name.clone(), None),
        }
    }
}

/// An upstream whose every part holds the number.
pub(crate) fn upstream(name: &str, number: u64) -> Value {
    let target = |part: usize| {
        json!({
            "name": format!("t{part}"),
            "provider": "openai",
            "default_model": format!("m-{number}"),
            "credentials": {
                "header_name": "Authorization",
                "header_value": format!("Bearer sk-{number}"),
            },
        })
    };
    let targets: Vec<Value> = (0..PARTS).map(target).collect();
    json!({ "name": name, "targets": targets })
}

/// The targets of an upstream.
const PARTS: usize = 3;

#[cfg(test)]
mod tests {
    use super::{Slots, Stored, upstream};

    fn stored(name: &str, number: u64) -> Stored {
        Stored::read(&upstream(name, number))
    }

    fn faults(slots: &Slots, stored: &[Stored]) -> usize {
        let mut faults = Vec::new();
        slots.clone().check(stored, &mut faults);
        faults.len()
    }

    #[test]
    fn what_was_acknowledged_has_to_be_there() {
        let mut slots = Slots::new(0, 1);
        slots.begin(0, 7).unwrap();
        slots.acknowledge();
        assert_eq!(faults(&slots, &[stored("w0-0", 7)]), 0);
        assert_eq!(faults(&slots, &[]), 1);
        assert_eq!(faults(&slots, &[stored("w0-0", 6)]), 1);
        assert_eq!(
            faults(&slots, &[stored("w0-0", 7), stored("w0-1", 8)]),
            1,
            "nobody wrote w0-1"
        );
    }

    #[test]
    fn what_was_not_answered_may_be_there_wholly_or_not_at_all() {
        let mut slots = Slots::new(0, 1);
        slots.begin(0, 7).unwrap();
        assert_eq!(faults(&slots, &[]), 0);
        assert_eq!(faults(&slots, &[stored("w0-0", 7)]), 0);
        assert_eq!(faults(&slots, &[stored("w0-0", 8)]), 1);
        let mut half = upstream("w0-0", 7);
        half["targets"][1]["default_model"] = "m-6".into();
        assert_eq!(faults(&slots, &[Stored::read(&half)]), 1);
    }
}
