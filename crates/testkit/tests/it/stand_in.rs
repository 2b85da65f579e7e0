use std::error::Error as _;
use std::io;
use std::time::Duration;

use ai_gateway_testkit::{
    Answered, Behaviour, Client, ClientError, Cut, Fault, Provider, Served, StandIn,
};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";
const SOON: Duration = Duration::from_secs(5);

fn chat() -> Value {
    json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "one two three"}]})
}

fn chat_stream() -> Value {
    let mut request = chat();
    request["stream"] = json!(true);
    request
}

async fn start(behaviour: Behaviour) -> (StandIn, Client) {
    let stand_in = Provider::openai()
        .behaviour(behaviour)
        .start()
        .await
        .unwrap();
    let client = Client::new(&stand_in.url()).unwrap();
    (stand_in, client)
}

async fn ask(client: &Client) -> Answered {
    client.post(CHAT, &chat()).await.unwrap()
}

/// Streams to the end and returns the text so far with how it ended.
async fn read_stream(client: &Client) -> (String, Result<(), ClientError>) {
    let mut streaming = client.stream(CHAT, &chat_stream()).await.unwrap();
    assert_eq!(streaming.status, 200);
    let mut text = String::new();
    loop {
        match streaming.chunk().await {
            Ok(Some(bytes)) => text.push_str(std::str::from_utf8(&bytes).unwrap()),
            Ok(None) => return (text, Ok(())),
            Err(error) => return (text, Err(error)),
        }
    }
}

/// Whether a reset of the connection is among the causes.
fn is_reset(error: &ClientError) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        let io_error = error.downcast_ref::<io::Error>();
        if io_error.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionReset) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[tokio::test]
async fn a_request_is_answered_and_journalled_as_received() {
    let (stand_in, client) = start(Behaviour::default()).await;
    let client = client.header("X-Mine", "yes");
    let answer = ask(&client).await;
    assert_eq!(answer.status, 200);
    let said = answer.json()["choices"][0]["message"]["content"].clone();
    assert_eq!(
        said,
        "openai stand-in here, serving gpt-4o-mini. You said: one two three"
    );

    let [request] = stand_in.requests().try_into().unwrap();
    assert_eq!(request.json(), chat());
    assert_eq!(request.header("x-mine"), Some("yes"));
    assert!(
        request
            .head
            .starts_with(b"POST /v1/chat/completions HTTP/1.1\r\n")
    );
    assert!(request.head.ends_with(b"\r\n\r\n"));
    assert_eq!(request.served, Served::Done);
}

#[tokio::test]
async fn a_whole_stream_ends_properly() {
    let (stand_in, client) = start(Behaviour::default()).await;
    let (text, ended) = read_stream(&client).await;
    assert!(ended.is_ok());
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    assert_eq!(stand_in.count(Served::Done), 1);
}

#[tokio::test]
async fn a_script_is_used_up_before_the_standing_behaviour() {
    let (stand_in, client) = start(Behaviour::default()).await;
    stand_in.script([
        Behaviour::status_with_header(429, "retry-after", "2"),
        Behaviour::status(500),
    ]);
    let first = ask(&client).await;
    assert_eq!((first.status, first.header("retry-after")), (429, "2"));
    assert!(first.json()["error"]["message"].is_string());
    assert_eq!(ask(&client).await.status, 500);
    assert_eq!(ask(&client).await.status, 200);
}

#[tokio::test]
async fn a_wrong_key_or_model_is_refused() {
    let provider = Provider::openai().key("right").models(["gpt-4"]);
    let stand_in = provider.start().await.unwrap();
    let client = Client::new(&stand_in.url()).unwrap();
    let with = |key: &str| {
        client
            .clone()
            .header("authorization", &format!("Bearer {key}"))
    };
    assert_eq!(ask(&with("wrong")).await.status, 401);
    let answer = ask(&with("right")).await;
    assert_eq!(
        (answer.status, &answer.json()["error"]["code"]),
        (404, &json!("model_not_found"))
    );
}

#[tokio::test]
async fn a_cut_before_the_head_gives_no_answer() {
    for how in [Cut::Close, Cut::Reset] {
        let (stand_in, client) = start(Behaviour::failing(Fault::CutBeforeHead { how })).await;
        let error = client.post(CHAT, &chat()).await.unwrap_err();
        assert!(matches!(error, ClientError::Broken(_)), "{error:?}");
        assert_eq!(stand_in.count(Served::Cut), 1);
    }
}

#[tokio::test]
async fn a_cut_by_bytes_sends_exactly_those_and_breaks_the_stream() {
    for how in [Cut::Close, Cut::Reset] {
        for bytes in [0, 1, 100, 700] {
            let behaviour = Behaviour::failing(Fault::CutAfterBytes { bytes, how });
            let (stand_in, client) = start(behaviour).await;
            let (text, ended) = read_stream(&client).await;
            let error = ended.unwrap_err();
            assert!(
                matches!(error, ClientError::Broken(_)),
                "{how:?} {bytes}: {error:?}"
            );
            assert_eq!(
                is_reset(&error),
                how == Cut::Reset,
                "{how:?} {bytes}: {error:?}"
            );
            if how == Cut::Close {
                assert_eq!(text.len(), bytes);
            } else {
                // A reset may overtake what is still on its way, and never adds to it.
                assert!(text.len() <= bytes);
            }
            assert_eq!(stand_in.count(Served::Cut), 1);
        }
    }
}

#[tokio::test]
async fn a_cut_plain_answer_is_shorter_than_its_length_says() {
    let behaviour = Behaviour::failing(Fault::CutAfterBytes {
        bytes: 20,
        how: Cut::Close,
    });
    let (_stand_in, client) = start(behaviour).await;
    let mut answer = client.stream(CHAT, &chat()).await.unwrap();
    assert!(answer.header("content-length").parse::<usize>().unwrap() > 20);
    assert!(matches!(answer.rest().await, Err(ClientError::Broken(_))));
}

#[tokio::test]
async fn a_hang_is_counted_as_cancelled_when_the_client_leaves() {
    let events = |events| Fault::HangAfterEvents { events };
    for fault in [Fault::HangBeforeHead, events(0), events(3)] {
        let (stand_in, client) = start(Behaviour::failing(fault.clone())).await;
        let head = client
            .clone()
            .within(Duration::from_millis(200))
            .stream(CHAT, &chat_stream())
            .await;
        if fault == Fault::HangBeforeHead {
            assert!(matches!(head, Err(ClientError::Timeout { .. })));
        } else {
            assert_eq!(head.as_ref().unwrap().status, 200);
            assert_eq!(stand_in.count(Served::Running), 1);
        }
        drop(head);
        let gone = |requests: &[ai_gateway_testkit::Received]| {
            requests
                .iter()
                .any(|request| request.served == Served::Cancelled)
        };
        assert!(stand_in.wait_until(gone, SOON).await, "{fault:?}");
    }
}

#[tokio::test]
async fn stream_faults_show_in_an_answer_that_ends_properly() {
    let error = Fault::ErrorEvent {
        after_events: 2,
        error_type: "overloaded_error".into(),
        message: "too busy".into(),
    };
    for (fault, part, is_ended) in [
        (Fault::MissingEnd, "\"finish_reason\":\"stop\"", false),
        (
            Fault::MalformedEvent { after_events: 2 },
            "{\"delta\": {\n\n",
            true,
        ),
        (error, "\"type\":\"overloaded_error\"", false),
        (Fault::Drip { gap: 0 }, "You", true),
    ] {
        let (_stand_in, client) = start(Behaviour::failing(fault.clone())).await;
        let (text, ended) = read_stream(&client).await;
        assert!(ended.is_ok(), "{fault:?}");
        assert!(text.contains(part), "{fault:?}: {text}");
        assert_eq!(text.contains("[DONE]"), is_ended, "{fault:?}");
    }
}

#[tokio::test]
async fn confused_plain_answers_are_well_framed() {
    let (_stand_in, client) = start(Behaviour::failing(Fault::Html)).await;
    let page = ask(&client).await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, "text/html; charset=utf-8")
    );
    let (_stand_in, client) = start(Behaviour::failing(Fault::TruncatedJson)).await;
    let half = ask(&client).await;
    assert_eq!((half.status, half.json()), (200, Value::Null));
    assert!(half.text().starts_with('{'));
}

#[tokio::test]
async fn a_stopped_stand_in_refuses_connections_and_comes_back_on_its_port() {
    let (stand_in, client) = start(Behaviour::default()).await;
    let mut open = client.stream(CHAT, &chat_stream()).await.unwrap();
    stand_in.stop().await;
    let refused = client.post(CHAT, &chat()).await.unwrap_err();
    assert!(
        matches!(refused, ClientError::Connect { .. }),
        "{refused:?}"
    );
    open.rest().await.ok();
    stand_in.start_again().await.unwrap();
    assert_eq!(ask(&client).await.status, 200);
}

#[tokio::test]
async fn anthropic_wants_its_version_header() {
    let stand_in = Provider::anthropic()
        .name("claude-b")
        .start()
        .await
        .unwrap();
    let client = Client::new(&stand_in.url()).unwrap();
    let message = json!({
        "model": "claude-3-5-sonnet-20241022",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": "hi"}],
    });
    assert_eq!(
        client.post("/v1/messages", &message).await.unwrap().status,
        400
    );
    let client = client.header("anthropic-version", "2023-06-01");
    let answer = client.post("/v1/messages", &message).await.unwrap();
    let said = answer.json()["content"][0]["text"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(said.starts_with("claude-b stand-in here"), "{said}");
    let models = client.get("/v1/models").await.unwrap().json();
    assert_eq!(models["data"][0]["type"], "model");
}

#[tokio::test]
async fn embeddings_have_a_vector_for_each_input() {
    let (_stand_in, client) = start(Behaviour::default()).await;
    let request =
        json!({"model": "text-embedding-3-small", "input": ["a", "b c"], "dimensions": 4});
    let answer = client
        .post("/v1/embeddings", &request)
        .await
        .unwrap()
        .json();
    assert_eq!(answer["data"][1]["embedding"].as_array().unwrap().len(), 4);
    assert_ne!(
        answer["data"][0]["embedding"],
        answer["data"][1]["embedding"]
    );
    assert_eq!(answer["usage"]["prompt_tokens"], 3);
}

mod control {
    use ai_gateway_testkit::{Client, Program};
    use http::Method;
    use serde_json::{Value, json};
    use tokio::process::Command;

    use super::{CHAT, SOON, ask, chat};

    async fn put(client: &Client, path: &str, body: &Value) -> u16 {
        client
            .send(Method::PUT, path, body.to_string().into())
            .await
            .unwrap()
            .status
    }

    /// The address at the end of a line.
    fn address_in(line: &str) -> String {
        let url = line.split_whitespace().last().unwrap();
        url.trim_end_matches("/__control").to_owned()
    }

    #[tokio::test]
    async fn the_program_is_steered_over_http() {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stand-in"));
        command.args([
            "--dialect",
            "openai",
            "--control",
            "127.0.0.1:0",
            "--name",
            "main",
        ]);
        let mut program = Program::start(command).unwrap();
        let line = program.line_with("stand-in on", SOON).await.unwrap();
        let control_line = program.line_with("control on", SOON).await.unwrap();
        let client = Client::new(&address_in(&line)).unwrap();
        let control = Client::new(&address_in(&control_line)).unwrap();

        let down = json!({"fault": {"kind": "status", "status": 503}});
        assert_eq!(put(&client, "/__control/behaviour", &down).await, 200);
        assert_eq!(ask(&client).await.status, 503);
        assert_eq!(put(&client, "/__control/behaviour", &json!({})).await, 200);
        assert_eq!(put(&client, "/__control/script", &json!([down])).await, 200);
        assert_eq!(
            (ask(&client).await.status, ask(&client).await.status),
            (503, 200)
        );
        assert_eq!(
            put(&client, "/__control/behaviour", &json!({"fault": 3})).await,
            400
        );

        let requests = client.get("/__control/requests").await.unwrap().json();
        assert_eq!(requests.as_array().unwrap().len(), 3);
        assert_eq!(requests[0]["body"], chat());

        control.post("/__control/stop", &json!({})).await.unwrap();
        assert!(client.post(CHAT, &chat()).await.is_err());
        assert_eq!(
            control.get("/__control").await.unwrap().json()["requests"],
            3
        );
        control.post("/__control/start", &json!({})).await.unwrap();
        assert_eq!(ask(&client).await.status, 200);
        assert!(program.terminate(SOON).await.unwrap().success());
    }
}
