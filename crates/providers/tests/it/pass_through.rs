//! Within one dialect, bytes stay.

use ai_gateway_providers::{
    Dialect, Intake, Provider, Quirks, ResponsesApi, StreamFault, Surface, TargetTraits, encode,
    provider,
};
use bytes::Bytes;

use crate::setup::{ANTHROPIC, OPENAI, STAMP, relay};

/// Sends `body` to a provider of the client's own dialect and returns what it gets.
fn sent(provider: &Provider, surface: Surface, model: &str, body: &str) -> (String, Vec<String>) {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let intake = Intake::read(surface, &body).unwrap();
    let to = TargetTraits {
        path: "/v1/chat/completions",
        api_version: None,
        dialect: provider.dialect,
        model,
        quirks: &provider.quirks,
        default_max_tokens: 4_096,
    };
    let encoded = encode(&intake, &body, &to, STAMP).unwrap();
    assert_eq!(encoded.body.len(), encoded.body.clone().into_bytes().len());
    let body = encoded.body.into_bytes();
    (String::from_utf8(body.into()).unwrap(), encoded.dropped)
}

#[track_caller]
fn check(name: &str, model: &str, body: &str, expected: &str) {
    let (body, dropped) = sent(
        provider(name).unwrap(),
        Surface::ChatCompletions,
        model,
        body,
    );
    assert_eq!(body, expected);
    assert_eq!(dropped, Vec::<String>::new());
}

#[test]
fn a_body_keeps_every_byte_but_its_model() {
    check(
        "openai",
        "gpt-4o",
        " {\"x\" : 1.0 ,\"model\": \"a\\u0062\",\n\"messages\":[ ],\"new\":{\"model\":\"z\"}} ",
        " {\"x\" : 1.0 ,\"model\": \"gpt-4o\",\n\"messages\":[ ],\"new\":{\"model\":\"z\"}} ",
    );
}

#[test]
fn a_body_that_names_no_model_is_given_one() {
    check("openai", "m\"1", "{}", r#"{"model":"m\"1"}"#);
    check("openai", "m", r#" { "a":1}"#, r#" {"model":"m", "a":1}"#);
    check(
        "openai",
        "m",
        r#"{"model":null,"a":1}"#,
        r#"{"model":"m","a":1}"#,
    );
}

#[test]
fn a_body_whose_model_stays_is_the_client_s_own() {
    let body = Bytes::from_static(br#"{"model":"m","messages":[]}"#);
    let intake = Intake::read(Surface::Messages, &body).unwrap();
    let to = TargetTraits {
        path: "/v1/chat/completions",
        api_version: None,
        dialect: Dialect::AnthropicMessages,
        model: "m",
        quirks: &provider("anthropic").unwrap().quirks,
        default_max_tokens: 1,
    };
    let parts = encode(&intake, &body, &to, STAMP)
        .unwrap()
        .body
        .into_parts();
    assert_eq!(parts.len(), 1);
    assert_eq!(parts[0].as_ptr(), body.as_ptr());
}

#[test]
fn usage_is_asked_for_where_the_client_does_not() {
    check(
        "openai",
        "m",
        r#"{"model":"m","stream":true}"#,
        r#"{"stream_options":{"include_usage":true},"model":"m","stream":true}"#,
    );
    check(
        "openai",
        "n",
        r#"{"stream_options":{"include_usage":false,"x":1},"model":"m","stream":true}"#,
        r#"{"stream_options":{"include_usage":true,"x":1},"model":"n","stream":true}"#,
    );
    check(
        "openai",
        "m",
        r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
        r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
    );
    check("openai", "m", r#"{"model":"m"}"#, r#"{"model":"m"}"#);
}

#[test]
fn a_provider_gets_its_own_names_for_fields() {
    check(
        "groq",
        "llama",
        r#"{"model":"m","max_completion_tokens":5,"max_tokens":9,"temperature":1.70,"messages":[{"role":"developer","content":"a\ud83e"},{"role":"user","content":"b"}]}"#,
        r#"{"model":"llama","max_tokens":5,"temperature":1.70,"messages":[{"role":"system","content":"a\ud83e"},{"role":"user","content":"b"}]}"#,
    );
    check(
        "openai",
        "o3-mini",
        r#"{"model":"m","max_tokens":5}"#,
        r#"{"model":"o3-mini","max_completion_tokens":5}"#,
    );
    check(
        "groq",
        "llama",
        r#"{"model":"m","max_tokens":5,"new":[1 ,2]}"#,
        r#"{"model":"llama","max_tokens":5,"new":[1 ,2]}"#,
    );
}

#[test]
fn mistral_gets_identifiers_of_nine_characters() {
    let (body, dropped) = sent(
        provider("mistral").unwrap(),
        Surface::ChatCompletions,
        "mistral-large",
        r#"{"model":"m","seed":1,"logit_bias":{"1":2},"tool_choice":"required","stream":true,"messages":[{"role":"assistant","tool_calls":[{"id":"call_abc","type":"function"}]},{"role":"tool","tool_call_id":"call_abc","content":"x"}]}"#,
    );
    let value: serde_json::Value = serde_json::from_str(&body).unwrap();
    let id = value["messages"][0]["tool_calls"][0]["id"]
        .as_str()
        .unwrap();
    assert_eq!(id.len(), 9);
    assert_eq!(value["messages"][1]["tool_call_id"], id);
    assert_eq!(value["random_seed"], 1);
    assert_eq!(value["tool_choice"], "any");
    assert!(value.get("seed").is_none() && value.get("stream_options").is_none());
    assert_eq!(dropped, ["logit_bias"]);
}

#[test]
fn other_calls_keep_their_bytes_too() {
    let openai = provider("openai").unwrap();
    let (body, _) = sent(
        openai,
        Surface::Embeddings,
        "e",
        r#"{"input":["a"],"model":"m","stream":true}"#,
    );
    assert_eq!(body, r#"{"input":["a"],"model":"e","stream":true}"#);
}

const STREAM: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}],\"new\":1}\n\n: ping\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const USAGE: &str =
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

#[test]
fn a_stream_keeps_its_bytes_and_usage_is_shown_only_when_asked_for() {
    let stream = [STREAM, USAGE, DONE].concat();
    let shown = relay(&OPENAI.exchange(OPENAI, true), [stream.as_bytes()]);
    assert_eq!(shown.bytes, stream.as_bytes());
    let hidden = relay(&OPENAI.exchange(OPENAI, false), [stream.as_bytes()]);
    assert_eq!(hidden.bytes, [STREAM, DONE].concat().as_bytes());
    for relayed in [shown, hidden] {
        assert_eq!((relayed.usage.input, relayed.usage.output), (3, 4));
        assert!(relayed.usage.complete && relayed.fault.is_none());
    }
}

#[test]
fn a_whole_stream_that_lacks_its_last_event_is_given_one() {
    let relayed = relay(&OPENAI.exchange(OPENAI, true), [STREAM.as_bytes()]);
    assert_eq!(relayed.bytes, [STREAM, DONE].concat().as_bytes());
    assert_eq!(relayed.fault, None);
}

#[test]
fn an_event_without_its_empty_line_counts_when_it_is_whole() {
    let stream = [STREAM, "data: [DONE]"].concat();
    let relayed = relay(&OPENAI.exchange(OPENAI, true), [stream.as_bytes()]);
    assert_eq!(relayed.bytes, [STREAM, DONE].concat().as_bytes());
}

#[test]
fn several_choices_must_all_end() {
    let chunk = |index, reason: &str| {
        format!(
            "data: {{\"choices\":[{{\"index\":{index},\"delta\":{{\"content\":\"x\"}},\"finish_reason\":{reason}}}]}}\n\n"
        )
    };
    let one = [chunk(0, "null"), chunk(1, "null"), chunk(0, "\"stop\"")].concat();
    let relayed = relay(&OPENAI.exchange(OPENAI, true), [one.as_bytes()]);
    assert_eq!(relayed.fault, Some(StreamFault::Truncated));
    let both = [one, chunk(1, "\"length\"")].concat();
    let relayed = relay(&OPENAI.exchange(OPENAI, true), [both.as_bytes()]);
    assert_eq!(relayed.fault, None);
}

#[test]
fn a_malformed_event_is_not_passed_on() {
    let stream = [STREAM, "data: {\"choices\":[}\n\n", DONE].concat();
    let relayed = relay(&OPENAI.exchange(OPENAI, true), [stream.as_bytes()]);
    assert_eq!(relayed.bytes, STREAM.as_bytes());
    assert_eq!(relayed.fault, Some(StreamFault::Malformed));
}

#[test]
fn an_error_event_comes_ready_for_the_client() {
    let stream = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Busy\"}}\n\n";
    for (client, begins) in [
        (ANTHROPIC, "event: error\ndata: {\"type\":\"error\""),
        (OPENAI, "data: {\"error\":"),
    ] {
        let relayed = relay(&client.exchange(ANTHROPIC, true), [stream.as_bytes()]);
        assert!(!relayed.meaningful && relayed.bytes.is_empty());
        let Some(StreamFault::ErrorEvent {
            class,
            message,
            event,
        }) = relayed.fault
        else {
            panic!("no error event");
        };
        assert_eq!((class.as_str(), message.as_str()), ("overloaded", "Busy"));
        assert!(event.starts_with(begins.as_bytes()), "{event:?}");
    }
}

#[test]
fn a_stream_without_events_is_bounded() {
    let exchange = OPENAI.exchange(OPENAI, true);
    let mut relay = exchange.stream();
    let mut out: Vec<Bytes> = Vec::new();
    let megabyte = Bytes::from(vec![b'x'; 1024 * 1024]);
    assert_eq!(relay.push(megabyte.clone(), &mut out), Ok(()));
    assert_eq!(relay.push(megabyte, &mut out), Err(StreamFault::TooLarge));
    assert_eq!(relay.end(&mut out), Err(StreamFault::TooLarge));
    assert!(out.is_empty());
}

#[test]
fn a_response_passes_through_to_a_provider_that_makes_responses() {
    let body = Bytes::from_static(br#"{"model":"m","input":"Hi","tools":[{"type":"web_search"}]}"#);
    let intake = Intake::read(Surface::Responses, &body).unwrap();
    let quirks = Quirks {
        responses: ResponsesApi::Served,
        ..Quirks::NONE
    };
    let to = TargetTraits {
        path: "/v1/chat/completions",
        api_version: None,
        dialect: Dialect::OpenAiChat,
        model: "n",
        quirks: &quirks,
        default_max_tokens: 1,
    };
    let encoded = encode(&intake, &body, &to, STAMP).unwrap();
    assert_eq!(encoded.path.as_deref(), Some("/v1/responses"));
    assert!(encoded.exchange.passes_through());
    assert_eq!(
        encoded.body.into_bytes(),
        r#"{"model":"n","input":"Hi","tools":[{"type":"web_search"}]}"#
    );
}

#[test]
fn google_s_path_names_the_model_and_the_body_does_not() {
    let body = Bytes::from_static(br#"{"contents":[{"parts":[{"text":"Hi"}]}],"new":1}"#);
    let path = "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse";
    let surface = Surface::of("POST", path);
    let intake = Intake::read(surface, &body)
        .unwrap()
        .with_model_of_path(path);
    assert_eq!(
        (intake.model(), intake.is_stream()),
        (Some("gemini-2.5-pro"), true)
    );
    let to = TargetTraits {
        path: "/v1/chat/completions",
        api_version: None,
        dialect: Dialect::GeminiGenerate,
        model: "gemini-2.5-flash",
        quirks: &Quirks::NONE,
        default_max_tokens: 1,
    };
    let encoded = encode(&intake, &body, &to, STAMP).unwrap();
    assert_eq!(
        encoded.path.as_deref(),
        Some("/models/gemini-2.5-flash:streamGenerateContent?alt=sse")
    );
    assert_eq!(encoded.body.into_bytes(), body);
}
