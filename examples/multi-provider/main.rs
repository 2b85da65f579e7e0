//! One upstream, two providers: the equal split, the failover when one dies, the return when it
//! recovers.
//!
//! Without keys or network: two stand-in providers run on loopback. With `OPENAI_API_KEY` and
//! `ANTHROPIC_API_KEY` set the real ones are asked, a few short questions each, and "dies" is played
//! by taking the target out through the Admin API.
//!
//! ```text
//! cargo run --example multi-provider
//! ```

mod gateway;
mod providers;
mod screen;
mod stream;
mod tally;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::gateway::Gateway;
use crate::providers::{ANTHROPIC_MODEL, OPENAI_MODEL, Providers};
use crate::screen::Screen;
use crate::tally::Tally;

/// What goes wrong here ends the program, so that any error will do.
type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let mut screen = Screen::new();
    match tell(&mut screen).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            screen.failure(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

async fn tell(screen: &mut Screen) -> Result<(), Failure> {
    let began = Instant::now();
    screen.step("Two providers, one upstream")?;
    let providers = Providers::start().await?;
    let mut gateway = Gateway::start(&providers).await?;
    for (name, place) in providers.places() {
        screen.fact(name, &place)?;
    }
    screen.fact("Admin API", &gateway.admin_url())?;
    screen.fact("proxy", &gateway.proxy_url())?;
    gateway.configure(screen, &providers).await?;

    let mut total = Tally::default();
    total += split(screen, &gateway, &providers).await?;
    total += streams(screen, &gateway).await?;
    total += failover(screen, &gateway, &providers).await?;
    total += recovery(screen, &gateway, &providers).await?;

    gateway.stop().await;
    let seconds = began.elapsed().as_secs_f64();
    screen.step(&format!("Done in {seconds:.1} s"))?;
    screen.fact("requests", &total.asked.to_string())?;
    screen.fact("answered", &total.answered().to_string())?;
    screen.fact("failed", &total.failed.to_string())?;
    ensure(
        total.failed == 0,
        "every request is answered, whatever a provider does",
    )
}

/// Asks without naming a model: every target takes part, each with its default model.
async fn split(
    screen: &mut Screen,
    gateway: &Gateway,
    providers: &Providers,
) -> Result<Tally, Failure> {
    let count = providers.requests_a_step();
    screen.step(&format!("{count} requests that name no model: round-robin"))?;
    let tally = ask_many(gateway, count).await?;
    screen.bars(&tally)?;
    let (openai, anthropic) = (tally.served_by("openai"), tally.served_by("anthropic"));
    ensure(openai == anthropic, "the split is equal")?;
    Ok(tally)
}

/// Streams from either provider to either client, each in the client's own dialect.
async fn streams(screen: &mut Screen, gateway: &Gateway) -> Result<Tally, Failure> {
    screen.step("Streams: either dialect, either provider")?;
    let mut tally = Tally::default();
    for client in [stream::Dialect::OpenAi, stream::Dialect::Anthropic] {
        for (provider, model) in [("openai", OPENAI_MODEL), ("anthropic", ANTHROPIC_MODEL)] {
            screen.begin(&format!("{:<17} {model}", client.path()))?;
            let told =
                stream::ask(gateway.client(), client, model, |piece| screen.piece(piece)).await?;
            screen.end_pieces()?;
            let first_token = told.first_token.as_millis();
            screen.note(&format!(
                "by {}, first token after {first_token} ms",
                told.provider
            ))?;
            ensure(
                told.provider == provider,
                "the provider that lists the model serves it",
            )?;
            ensure(!told.text.is_empty(), "the stream tells something")?;
            tally.count(&told.provider, 1);
        }
    }
    Ok(tally)
}

/// Takes the first provider away: its share goes to the other one, and no caller notices.
async fn failover(
    screen: &mut Screen,
    gateway: &Gateway,
    providers: &Providers,
) -> Result<Tally, Failure> {
    screen.step(&format!("openai dies ({})", providers.way_to_die()))?;
    providers.kill_openai(gateway).await?;
    let tally = ask_many(gateway, providers.requests_a_step()).await?;
    screen.bars(&tally)?;
    if tally.taken_over > 0 {
        screen.note(&format!(
            "{} requests met the dead one first and were taken over",
            tally.taken_over
        ))?;
    }
    screen.health(&gateway.health().await?)?;
    ensure(
        tally.served_by("anthropic") == tally.asked,
        "the other provider serves everyone",
    )?;
    let asked_for_gpt = gateway.ask(Some(OPENAI_MODEL)).await?;
    if let Some(substituted) = asked_for_gpt.substituted {
        screen.note(&format!(
            "a model of the dead one is replaced, and said so: {substituted}"
        ))?;
    }
    Ok(tally)
}

/// Brings it back: after its rest it is tried again, and takes its share again.
async fn recovery(
    screen: &mut Screen,
    gateway: &Gateway,
    providers: &Providers,
) -> Result<Tally, Failure> {
    screen.step("openai recovers")?;
    providers.revive_openai(gateway).await?;
    let began = Instant::now();
    let mut tally = Tally::default();
    while tally.served_by("openai") == 0 {
        ensure(
            began.elapsed() < LONGEST_RETURN,
            "the recovered provider is tried again",
        )?;
        tally += ask_many(gateway, 1).await?;
        sleep(Duration::from_millis(100)).await;
    }
    let seconds = began.elapsed().as_secs_f64();
    screen.note(&format!(
        "serves again after {seconds:.1} s, found by real requests alone"
    ))?;
    screen.note("its share grows from a tenth to the whole within 30 s:")?;
    for slice in 0..RETURN_SLICES {
        if slice > 0 {
            sleep(SLICE_GAP).await;
        }
        let share = ask_many(gateway, providers.requests_a_step()).await?;
        screen.bars(&share)?;
        tally += share;
    }
    screen.health(&gateway.health().await?)?;
    Ok(tally)
}

/// How often the share of the provider that is back is shown, and how far apart.
const RETURN_SLICES: usize = 3;
const SLICE_GAP: Duration = Duration::from_millis(1500);

/// The upstream's health interval is 1 s here, and an ejection at its third repetition rests for 4.
const LONGEST_RETURN: Duration = Duration::from_secs(8);

async fn ask_many(gateway: &Gateway, count: usize) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    for _ in 0..count {
        let answer = gateway.ask(None).await?;
        match answer.provider {
            Some(provider) => tally.count(&provider, answer.attempts),
            None => tally.count_failed(),
        }
    }
    Ok(tally)
}

fn ensure(holds: bool, rule: &str) -> Result<(), Failure> {
    if holds {
        Ok(())
    } else {
        Err(format!("this does not hold: {rule}").into())
    }
}

/// The chat request of every step.
fn question(model: Option<&str>) -> Value {
    let mut request = json!({
        "messages": [{"role": "user", "content": "Say hello in five words."}],
        "max_tokens": 40,
    });
    if let (Some(model), Some(request)) = (model, request.as_object_mut()) {
        request.insert("model".into(), model.into());
    }
    request
}
