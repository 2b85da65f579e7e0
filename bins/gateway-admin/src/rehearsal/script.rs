//! Which target fails how, and from when until when.

use std::{str::FromStr, time::Duration};

use ai_gateway_model::nearest;

use super::{
    cast::Cast,
    span::{self, shown},
    trouble::Trouble,
};

/// A fault as the command line writes it: `TARGET=FAULT[@FROM..UNTIL]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    /// A target, a provider, or `*`.
    pub(crate) who: String,
    pub(crate) trouble: Trouble,
    from: Moment,
    until: Moment,
}

/// A point in time of a rehearsal, whose length a line does not know.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Moment {
    After(Duration),
    Percent(u32),
}

impl Moment {
    fn at(self, length: Duration) -> Duration {
        match self {
            Self::After(span) => span,
            Self::Percent(percent) => length * percent / 100,
        }
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_suffix('%') {
            Some(number) => match number.parse() {
                Ok(percent @ 0..=100) => Ok(Self::Percent(percent)),
                Ok(_) | Err(_) => Err(format!("{text} is not from 0% to 100%")),
            },
            None => span::read(text).map(Self::After),
        }
    }
}

impl FromStr for Line {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((who, rest)) = text.rsplit_once('=').filter(|(who, _)| !who.is_empty()) else {
            return Err("write TARGET=FAULT@FROM..UNTIL, such as openai-0=503@5s..15s".to_owned());
        };
        let (trouble, window) = match rest.rsplit_once('@') {
            Some((trouble, window)) => (trouble, Some(window)),
            None => (rest, None),
        };
        let (from, until) = match window {
            None => USUAL_WINDOW,
            Some(window) => read_window(window)?,
        };
        Ok(Self {
            who: who.to_owned(),
            trouble: trouble.parse()?,
            from,
            until,
        })
    }
}

fn read_window(text: &str) -> Result<(Moment, Moment), String> {
    let Some((from, until)) = text.split_once("..") else {
        return Err(format!(
            "{text} is no time from when until when: write 5s..15s"
        ));
    };
    let or = |text: &str, open: Moment| match text {
        "" => Ok(open),
        text => text.parse(),
    };
    Ok((
        or(from, Moment::Percent(0))?,
        or(until, Moment::Percent(100))?,
    ))
}

/// One fault of one target.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cue {
    /// The target's place in the cast.
    pub(crate) target: usize,
    pub(crate) trouble: Trouble,
    /// When it begins, from the first request on.
    pub(crate) from: Duration,
    pub(crate) until: Duration,
}

/// All that goes wrong, in the order in which it begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Script {
    pub(crate) cues: Vec<Cue>,
}

impl Script {
    /// Finds the targets that the lines mean, for a rehearsal of `length`.
    ///
    /// # Errors
    ///
    /// What is wrong with which line, and what could be written in its place.
    pub(crate) fn of(lines: &[Line], cast: &Cast, length: Duration) -> Result<Self, String> {
        let mut cues: Vec<Cue> = Vec::new();
        for line in lines {
            let (from, until) = (line.from.at(length), line.until.at(length));
            if from >= until {
                return Err(format!("{} ends before it begins", line.shown(from, until)));
            }
            if until > length {
                return Err(format!(
                    "{} ends after the rehearsal does: --for {}s makes it long enough",
                    line.shown(from, until),
                    until.as_secs() + u64::from(until.subsec_nanos() > 0)
                ));
            }
            for target in targets_of(&line.who, cast)? {
                let trouble = line.trouble.clone();
                cues.push(Cue {
                    target,
                    trouble,
                    from,
                    until,
                });
            }
        }
        cues.sort_by_key(|cue| (cue.from, cue.target));
        let script = Self { cues };
        match script.overlap() {
            None => Ok(script),
            Some((first, second)) => Err(format!(
                "{} cannot do two things at once: {} until {} and {} from {}",
                cast.name(first.target),
                first.trouble.label,
                shown(first.until),
                second.trouble.label,
                shown(second.from),
            )),
        }
    }

    fn overlap(&self) -> Option<(&Cue, &Cue)> {
        self.cues.iter().enumerate().find_map(|(at, cue)| {
            let later = self.cues.get(at + 1..)?.iter();
            let mut clashing =
                later.filter(|later| later.target == cue.target && later.from < cue.until);
            clashing.next().map(|later| (cue, later))
        })
    }

    /// When the first fault begins.
    pub(crate) fn begins(&self) -> Option<Duration> {
        self.cues.iter().map(|cue| cue.from).min()
    }
}

impl Line {
    fn shown(&self, from: Duration, until: Duration) -> String {
        let label = &self.trouble.label;
        format!("{}={label}, {} to {},", self.who, shown(from), shown(until))
    }
}

/// Finds whom a line means: one target, all of a provider, or everyone.
fn targets_of(who: &str, cast: &Cast) -> Result<Vec<usize>, String> {
    let roles = || cast.roles.iter().enumerate();
    let named = roles().filter(|(_, role)| role.name == who || who == EVERYONE);
    let mut found: Vec<usize> = named.map(|(at, _)| at).collect();
    if found.is_empty() {
        let of_provider = roles().filter(|(_, role)| role.provider == who);
        found = of_provider.map(|(at, _)| at).collect();
    }
    if !found.is_empty() {
        return Ok(found);
    }
    let names: Vec<&str> = cast.roles.iter().map(|role| role.name.as_str()).collect();
    let providers = cast.roles.iter().map(|role| role.provider.as_str());
    let hint = nearest(who, names.iter().copied().chain(providers))
        .map(|name| format!("; did you mean {name}?"))
        .unwrap_or_default();
    Err(format!(
        "{} has no target {who}{hint} (targets: {}; a provider's name means all of its targets, {EVERYONE} every target)",
        cast.upstream,
        names.join(", ")
    ))
}

const EVERYONE: &str = "*";
/// Quiet before, to compare with; long enough after to see the recovery.
const USUAL_WINDOW: (Moment, Moment) = (Moment::Percent(20), Moment::Percent(50));

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cast() -> Cast {
        let written = json!({
            "name": "chat",
            "targets": [
                { "provider": "openai" },
                { "name": "spare", "provider": "openai" },
                { "provider": "anthropic" },
            ],
        });
        Cast::read(written).unwrap()
    }

    /// Reads lines for a rehearsal of 30 s; shows each cue as `target fault from..until`.
    fn check(lines: &str, expected: Result<&[&str], &str>) {
        let read = lines
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<Vec<Line>, _>>()
            .and_then(|lines| Script::of(&lines, &cast(), Duration::from_secs(30)));
        let shown = read.map(|script| {
            let cue = |cue: &Cue| {
                let (from, until) = (cue.from.as_millis(), cue.until.as_millis());
                format!("{} {} {from}..{until}", cue.target, cue.trouble.label)
            };
            script.cues.iter().map(cue).collect::<Vec<_>>()
        });
        match (shown, expected) {
            (Ok(shown), Ok(expected)) => assert_eq!(shown, expected, "{lines}"),
            (Err(error), Err(part)) => assert!(error.contains(part), "{lines}: {error}"),
            (shown, _) => panic!("{lines}: {shown:?}"),
        }
    }

    #[test]
    fn a_line_names_a_target_a_provider_or_everyone() {
        check("spare=503@5s..15s", Ok(&["1 503 5000..15000"]));
        check(
            "openai=503@5s..15s",
            Ok(&["0 503 5000..15000", "1 503 5000..15000"]),
        );
        check("anthropic-2=html@1..2", Ok(&["2 html 1000..2000"]));
        check(
            "*=refused@10%..20%",
            Ok(&[
                "0 refused 3000..6000",
                "1 refused 3000..6000",
                "2 refused 3000..6000",
            ]),
        );
    }

    #[test]
    fn either_end_may_be_open_and_so_may_both() {
        check("spare=503@..2s", Ok(&["1 503 0..2000"]));
        check("spare=503@25s..", Ok(&["1 503 25000..30000"]));
        check("spare=503", Ok(&["1 503 6000..15000"]));
    }

    #[test]
    fn faults_may_follow_one_another_and_not_overlap() {
        check(
            "spare=silent@5s..6s spare=503@1s..5s",
            Ok(&["1 503 1000..5000", "1 silent 5000..6000"]),
        );
        check(
            "spare=503@1s..5s openai=html@4s..6s",
            Err("spare cannot do two things at once"),
        );
    }

    #[test]
    fn what_cannot_be_played_says_what_can() {
        check("spar=503", Err("did you mean spare?"));
        check("nobody=503", Err("targets: openai-0, spare, anthropic-2"));
        check("spare", Err("write TARGET=FAULT@FROM..UNTIL"));
        check("=503", Err("write TARGET=FAULT@FROM..UNTIL"));
        check("spare=503@5s", Err("write 5s..15s"));
        check("spare=503@9s..5s", Err("ends before it begins"));
        check("spare=503@5s..31s", Err("--for 31s"));
        check("spare=503@5s..200%", Err("0% to 100%"));
        check("spare=5o3", Err("no status"));
    }
}
