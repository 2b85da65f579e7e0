//! The clients: a steady stream of requests, whatever becomes of them.

use std::{sync::Arc, time::Duration};

use ai_gateway_testkit::{Client, ClientError, Streaming};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use super::{
    observations::{Finished, Outcome, Seen},
    question::{Question, Tongue, Wrong},
};

/// How clients ask.
#[derive(Clone, Debug)]
pub(crate) struct Traffic {
    /// Requests a second.
    pub(crate) rate: u32,
    /// For how long they are sent.
    pub(crate) length: Duration,
    /// How many of a hundred are streams.
    pub(crate) streams: u8,
    /// The dialects that clients speak; at least one.
    pub(crate) tongues: Vec<Tongue>,
    /// The models that they ask for; at least one, `None` for none at all.
    pub(crate) models: Vec<Option<String>>,
    /// The targets' names, by which the stand-ins call themselves.
    pub(crate) targets: Vec<String>,
}

impl Traffic {
    /// Sends requests for the whole length, then waits a little for those under way. Tells of each
    /// as it ends. Dropping the future drops every request.
    pub(crate) async fn send(&self, client: &Client, began: Instant, tell: mpsc::Sender<Seen>) {
        // The same questions in the same order each time.
        let mut random = fastrand::Rng::with_seed(SEED);
        let client = Arc::new(client.clone());
        let targets = Arc::new(self.targets.clone());
        let mut under_way = JoinSet::new();
        let mut ticks = interval(Duration::from_secs(1) / self.rate.max(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        while began.elapsed() < self.length {
            ticks.tick().await;
            while under_way.try_join_next().is_some() {}
            if under_way.len() >= MOST_UNDER_WAY {
                tell.send(Seen::NotSent).await.ok();
                continue;
            }
            let question = self.question(&mut random);
            let (client, targets) = (Arc::clone(&client), Arc::clone(&targets));
            let tell = tell.clone();
            under_way.spawn(async move {
                let mut pending = Pending::new(question.is_stream, began, tell);
                let outcome = ask(&client, &question, &targets, &mut pending).await;
                pending.end(outcome);
            });
        }
        let all = async { while under_way.join_next().await.is_some() {} };
        // What is still under way after that is dropped, and told as never answered.
        timeout(GRACE, all).await.ok();
    }

    fn question(&self, random: &mut fastrand::Rng) -> Question {
        let tongue = random.choice(&self.tongues).copied();
        Question {
            tongue: tongue.unwrap_or(Tongue::OpenAi),
            is_stream: random.u8(0..100) < self.streams,
            model: random.choice(&self.models).cloned().flatten(),
        }
    }
}

/// A request under way: however it ends, that is told.
struct Pending {
    began: Instant,
    at: Duration,
    is_stream: bool,
    first: Option<Duration>,
    attempts: u32,
    is_substituted: bool,
    outcome: Option<Outcome>,
    tell: mpsc::Sender<Seen>,
}

impl Pending {
    fn new(is_stream: bool, began: Instant, tell: mpsc::Sender<Seen>) -> Self {
        Self {
            began,
            at: began.elapsed(),
            is_stream,
            first: None,
            attempts: 1,
            is_substituted: false,
            outcome: None,
            tell,
        }
    }

    fn end(mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let finished = Finished {
            at: self.at,
            took: self.began.elapsed().saturating_sub(self.at),
            first: self.first,
            is_stream: self.is_stream,
            attempts: self.attempts,
            is_substituted: self.is_substituted,
            outcome: self.outcome.take().unwrap_or(Outcome::Failed {
                wrong: Wrong::Silence,
                target: None,
            }),
        };
        // Room for it is there: the channel holds more than there are requests under way.
        self.tell.try_send(Seen::Finished(finished)).ok();
    }
}

async fn ask(
    client: &Client,
    question: &Question,
    targets: &[String],
    pending: &mut Pending,
) -> Outcome {
    let failed = |wrong, target| Outcome::Failed { wrong, target };
    let mut answer = match client.stream(question.path(), &question.body()).await {
        Ok(answer) => answer,
        Err(error) => return failed(wrong(&error), None),
    };
    let header = |name| Some(answer.header(name)).filter(|it| !it.is_empty());
    let target = header("x-gateway-target").map(str::to_owned);
    let attempts = header("x-gateway-attempts").and_then(|count| count.parse().ok());
    pending.attempts = attempts.unwrap_or(1);
    pending.is_substituted = header("x-gateway-model-substituted").is_some();
    if answer.status != 200 {
        return failed(Wrong::Status(answer.status), None);
    }
    let body = match read(&mut answer, pending).await {
        Ok(body) => body,
        Err(error) => return failed(wrong(&error), target),
    };
    match question.judge(&body) {
        Ok(()) => Outcome::Answered {
            target: target.unwrap_or_else(|| who_says(&body, targets)),
        },
        Err(wrong) => failed(wrong, target),
    }
}

/// Finds the stand-in that gave an answer. The head does not name it where the gateway had to begin
/// a stream, to keep it alive, before anyone had answered.
fn who_says(body: &[u8], targets: &[String]) -> String {
    let body = String::from_utf8_lossy(body);
    let is_in = |name: &&String| {
        // A stream brings it as a piece of its own.
        body.contains(&format!("\"{name}\"")) || body.contains(&format!("\"{name} stand-in"))
    };
    targets.iter().find(is_in).cloned().unwrap_or_default()
}

async fn read(answer: &mut Streaming, pending: &mut Pending) -> Result<Vec<u8>, ClientError> {
    let mut body = Vec::new();
    while let Some(bytes) = answer.chunk().await? {
        body.extend_from_slice(&bytes);
        // A comment that keeps a stream alive is no answer yet.
        if pending.first.is_none() && (!body.starts_with(b":") || contains(&bytes, b"data:")) {
            let now = pending.began.elapsed();
            pending.first.get_or_insert(now.saturating_sub(pending.at));
        }
    }
    Ok(body)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn wrong(error: &ClientError) -> Wrong {
    match error {
        ClientError::Timeout { .. } => Wrong::Silence,
        _ => Wrong::Broken,
    }
}

/// Each takes four file descriptors of this process, and many systems give it a thousand.
pub(crate) const MOST_UNDER_WAY: usize = 200;
/// How long requests may still take when no more are sent.
const GRACE: Duration = Duration::from_secs(5);
const SEED: u64 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stand_in_is_known_by_what_it_says() {
        let targets = ["openai-0", "openai-01"].map(str::to_owned);
        let says = |body: &str| who_says(body.as_bytes(), &targets);
        assert_eq!(
            says(r#"data: {"delta": {"content": "openai-01"}}"#),
            "openai-01"
        );
        assert_eq!(says(r#"{"content": "openai-0 stand-in here"}"#), "openai-0");
        assert_eq!(says("{}"), "");
    }
}
