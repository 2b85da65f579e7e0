//! `rehearse`: an outage on the operator's own configuration, without a real provider in it.
//!
//! In the order in which a rehearsal meets them: the [`Cast`] is the operator's upstream with a
//! stand-in for each target; the [`Script`] says what goes wrong when; the [`Stage`] is stand-ins
//! and a gateway, all in this process and on loopback; [`Traffic`] is the clients; what they see is
//! gathered in [`Observations`], shown on the [`Screen`] and summed up in a [`Report`].

mod arguments;
mod cast;
mod observations;
mod question;
mod report;
mod scenario;
mod screen;
mod script;
mod span;
mod stage;
mod standing;
mod traffic;
mod trouble;

use std::time::Duration;

use ai_gateway_model::{Kind, nearest};
use ai_gateway_testkit::Behaviour;
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, interval_at, sleep_until},
};

pub(crate) use arguments::{Rehearse, long_notes, notes};

use self::{
    arguments::Clients,
    cast::Cast,
    observations::{Observations, Seen},
    question::Tongue,
    report::Report,
    scenario::Scenario,
    screen::Screen,
    script::Script,
    stage::Stage,
    traffic::Traffic,
};
use crate::{
    documents,
    failure::Failure,
    noun::Noun,
    output::{self, Format},
    session::{Place, Session},
    signals::Signals,
};

/// Rehearses an outage; a signal ends it early, with a report of what was seen until then.
pub(crate) async fn run(session: &Session, rehearse: &Rehearse) -> Result<(), Failure> {
    // From here on a signal is heard, so that nothing is left behind whenever it comes.
    let mut signals = Signals::listen()?;
    let cast = cast(session, rehearse).await?;
    let script = script(rehearse, &cast)?;
    let traffic = traffic(rehearse, &cast)?;
    let screen = Screen::new(&cast, &script, &traffic, session.format);
    let usual = Behaviour {
        head_delay: rehearse.latency,
        event_gap: EVENT_GAP,
        ..Behaviour::default()
    };
    let stage = Stage::build(&cast, usual).await?;
    screen.open(&cast, &script)?;
    let mut seen = Observations::default();
    let play = Play {
        cast: &cast,
        script: &script,
        traffic: &traffic,
        stage: &stage,
    };
    let played = tokio::select! {
        played = play.through(&screen, &mut seen) => played.map(|()| true),
        () = signals.next() => Ok(false),
    };
    screen.close();
    // A second signal does not wait for it.
    tokio::select! {
        () = stage.clear() => {}
        () = signals.next() => {}
    }
    let is_whole = played?;
    let report = Report::of((&cast, &script, &traffic), &seen, is_whole);
    show(&report, &cast, session.format)?;
    judge(&report, rehearse.require_availability, is_whole)
}

/// Reads the upstream, from a file or from the running gateway.
async fn cast(session: &Session, rehearse: &Rehearse) -> Result<Cast, Failure> {
    let noun = Noun::Object(Kind::Upstream);
    let (origin, written) = match (&rehearse.file, &rehearse.upstream) {
        (Some(file), _) => (file.display().to_string(), documents::fields(file, noun)?),
        (None, named) => {
            let name = match named {
                Some(name) => name.clone(),
                None => only_upstream(session).await?,
            };
            let Some(read) = session.find(&Place::within(noun), &name).await? else {
                return Err(unknown_upstream(session, &name).await?);
            };
            (format!("upstream {name}"), read.body)
        }
    };
    Cast::read(written).map_err(|message| Failure::Document { origin, message })
}

/// Says which upstreams there are in place of one that is not.
async fn unknown_upstream(session: &Session, name: &str) -> Result<Failure, Failure> {
    let names = session.upstream_names().await?;
    let hint = nearest(name, names.iter().map(String::as_str))
        .map(|near| format!("; did you mean {near}?"))
        .unwrap_or_default();
    let there = match names.as_slice() {
        [] => "there is none yet; --file rehearses one from a file".to_owned(),
        names => format!("there are {}", names.join(", ")),
    };
    Ok(Failure::Missing {
        message: format!("no upstream named {name}{hint} ({there})"),
    })
}

async fn only_upstream(session: &Session) -> Result<String, Failure> {
    let mut names = session.upstream_names().await?;
    let message = match (names.pop(), names.is_empty()) {
        (Some(only), true) => return Ok(only),
        (Some(last), false) => {
            names.push(last);
            format!("which upstream? there are {}", names.join(", "))
        }
        (None, _) => "there is no upstream yet; --file rehearses one from a file".to_owned(),
    };
    Err(Failure::Usage { message })
}

fn script(rehearse: &Rehearse, cast: &Cast) -> Result<Script, Failure> {
    let usage = |message| Failure::Usage { message };
    let mut lines = rehearse.fault.clone();
    let scenario = match (rehearse.scenario, lines.is_empty()) {
        (None, true) => Some(Scenario::ProviderDown),
        (scenario, _) => scenario,
    };
    if let Some(scenario) = scenario {
        lines.extend(scenario.lines(cast).map_err(usage)?);
    }
    Script::of(&lines, cast, rehearse.length).map_err(usage)
}

fn traffic(rehearse: &Rehearse, cast: &Cast) -> Result<Traffic, Failure> {
    let requests = u64::from(rehearse.rate).saturating_mul(rehearse.length.as_secs());
    if requests > MOST_REQUESTS {
        return Err(Failure::Usage {
            message: format!(
                "{requests} requests are more than a rehearsal keeps in memory: \
                 lower --rate or --for, to {MOST_REQUESTS} in all"
            ),
        });
    }
    let models = match rehearse.model.as_slice() {
        [] => cast.models(),
        models => models.iter().cloned().map(Some).collect(),
    };
    Ok(Traffic {
        rate: rehearse.rate,
        length: rehearse.length,
        streams: rehearse.streams,
        tongues: match rehearse.clients {
            Clients::Openai => vec![Tongue::OpenAi],
            Clients::Anthropic => vec![Tongue::Anthropic],
            Clients::Both => vec![Tongue::OpenAi, Tongue::Anthropic],
        },
        models,
        targets: cast.roles.iter().map(|role| role.name.clone()).collect(),
    })
}

/// All that takes part in a rehearsal.
struct Play<'a> {
    cast: &'a Cast,
    script: &'a Script,
    traffic: &'a Traffic,
    stage: &'a Stage,
}

impl Play<'_> {
    /// Plays it to its end. Dropping the future stops clients, faults and looks at once; what was
    /// seen until then stays in `seen`.
    async fn through(&self, screen: &Screen, seen: &mut Observations) -> Result<(), Failure> {
        let (tell, told) = mpsc::channel(NEWS);
        let began = Instant::now();
        let acting = async move {
            let sent = self.traffic.send(&self.stage.client, began, tell.clone());
            let played = async { tokio::join!(sent, self.direct(began, &tell)) };
            tokio::select! {
                ((), directed) = played => directed,
                failed = self.watch(began, &tell) => failed,
            }
        };
        let (acted, shown) = tokio::join!(acting, self.observe(began, told, screen, seen));
        acted.and(shown)
    }

    /// Begins and ends the faults.
    async fn direct(&self, began: Instant, tell: &mpsc::Sender<Seen>) -> Result<(), Failure> {
        let cues = self.script.cues.iter().enumerate();
        let mut moments: Vec<(Duration, bool, usize)> = cues
            .flat_map(|(place, cue)| [(cue.from, true, place), (cue.until, false, place)])
            .collect();
        // At one moment what ends goes first: the next fault of a target may begin then.
        moments.sort_unstable();
        for (at, begins, place) in moments {
            let Some(cue) = self.script.cues.get(place) else {
                continue;
            };
            sleep_until(began + at).await;
            if begins {
                self.stage.begin(cue.target, &cue.trouble).await;
            } else {
                self.stage.end(cue.target, &cue.trouble).await?;
            }
            let at = began.elapsed();
            let news = Seen::Cue {
                cue: place,
                begins,
                at,
            };
            tell.send(news).await.ok();
        }
        Ok(())
    }

    /// Looks at the targets again and again; ends only when it cannot.
    async fn watch(&self, began: Instant, tell: &mpsc::Sender<Seen>) -> Result<(), Failure> {
        let mut looks = interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let standings = self.stage.standings().await?;
            let news = Seen::Standings(began.elapsed(), standings);
            tell.send(news).await.ok();
        }
    }

    /// Gathers what is told and shows it, until no one tells any more.
    async fn observe(
        &self,
        began: Instant,
        mut told: mpsc::Receiver<Seen>,
        screen: &Screen,
        seen: &mut Observations,
    ) -> Result<(), Failure> {
        let mut seconds = interval_at(began + SECOND, SECOND);
        let mut number = 0;
        loop {
            let news = tokio::select! {
                // What was told before the second was over belongs to it.
                biased;
                news = told.recv() => news,
                _ = seconds.tick() => {
                    screen.second(number, seen)?;
                    number += 1;
                    continue;
                }
            };
            let Some(news) = news else {
                return Ok(());
            };
            if let Seen::Cue {
                cue: place,
                begins,
                at,
            } = &news
                && let Some(cue) = self.script.cues.get(*place)
            {
                screen.cue(*at, self.cast.name(cue.target), cue, *begins)?;
            }
            for change in seen.add(news) {
                screen.change(self.cast.name(change.target), &change)?;
            }
        }
    }
}

fn show(report: &Report, cast: &Cast, format: Format) -> Result<(), Failure> {
    match format {
        Format::Table | Format::Wide => output::data(&report.shown()),
        Format::Json => output::json(&report.to_json()),
        Format::Yaml => output::yaml(&report.to_json()),
        Format::Name => output::data(&format!("upstream/{}", cast.upstream)),
    }
}

fn judge(report: &Report, required: Option<f64>, is_whole: bool) -> Result<(), Failure> {
    let failed = |message| Err(Failure::Rehearsal { message });
    match required {
        Some(required) if report.availability() < required => failed(format!(
            "{:.3} % of the requests were answered; --require-availability asks for {required} %",
            report.availability()
        )),
        _ if !is_whole => failed("the rehearsal was interrupted".to_owned()),
        Some(_) | None => Ok(()),
    }
}

/// How often the targets are looked at; the exactness of what is said of their states.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
const SECOND: Duration = Duration::from_secs(1);
/// Between two events of a stream.
const EVENT_GAP: Duration = Duration::from_millis(5);
/// What may be told and not yet heard: far more than requests are under way.
const NEWS: usize = 4096;
/// Stand-ins remember each request, with about a kilobyte.
const MOST_REQUESTS: u64 = 100_000;
