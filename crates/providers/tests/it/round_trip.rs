//! What both dialects can say survives the way there and back.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::clients::{Whole, read_anthropic_stream, read_openai_stream};
use crate::setup::{ANTHROPIC, GEMINI, OPENAI, RESPONSES, relay};
use crate::streams::{Piece, anthropic_stream, has_calls, openai_stream};

/// One thing said in a conversation, as both dialects can say it.
#[derive(Clone, Debug, PartialEq)]
enum Said {
    User(String),
    Picture(String),
    Assistant(String),
    Call {
        id: String,
        name: String,
        input: Value,
    },
    Result {
        id: String,
        text: String,
    },
}

fn words() -> impl Strategy<Value = String> {
    "[a-zé\"\\\\\n\u{1f980}]{1,12}"
}

fn input() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[a-z]{1,4}", words(), 0..3).prop_map(|fields| json!(fields))
}

/// Turns of a conversation: the user speaks, the assistant answers or calls tools, which answer.
fn conversation() -> impl Strategy<Value = Vec<Said>> {
    let turn = (
        words(),
        any::<bool>(),
        words(),
        prop::collection::vec(("[a-z_]{1,8}", input(), words()), 0..3),
    );
    prop::collection::vec(turn, 1..4).prop_map(|turns| {
        let mut said = Vec::new();
        for (at, (user, has_picture, assistant, calls)) in turns.into_iter().enumerate() {
            said.push(Said::User(user));
            if has_picture {
                said.push(Said::Picture("data:image/png;base64,AAAA".to_owned()));
            }
            said.push(Said::Assistant(assistant));
            let id = |call| format!("call_{at}_{call}");
            for (call, (name, input, _)) in calls.iter().enumerate() {
                let (name, input) = (name.clone(), input.clone());
                said.push(Said::Call {
                    id: id(call),
                    name,
                    input,
                });
            }
            for (call, (_, _, text)) in calls.into_iter().enumerate() {
                said.push(Said::Result { id: id(call), text });
            }
        }
        said
    })
}

/// Writes a conversation as a chat completion's body.
fn openai_body(said: &[Said]) -> Bytes {
    let mut messages: Vec<Value> = Vec::new();
    for said in said {
        match said {
            Said::User(text) => {
                messages.push(json!({"role": "user", "content": [{"type": "text", "text": text}]}));
            }
            Said::Picture(url) => {
                let part = json!({"type": "image_url", "image_url": {"url": url}});
                messages.last_mut().unwrap()["content"]
                    .as_array_mut()
                    .unwrap()
                    .push(part);
            }
            Said::Assistant(text) => messages.push(json!({"role": "assistant", "content": text})),
            Said::Call { id, name, input } => {
                let function = json!({"name": name, "arguments": input.to_string()});
                let call = json!({"id": id, "type": "function", "function": function});
                let message = messages.last_mut().unwrap();
                match message.get_mut("tool_calls") {
                    Some(calls) => calls.as_array_mut().unwrap().push(call),
                    None => message["tool_calls"] = json!([call]),
                }
            }
            Said::Result { id, text } => {
                messages.push(json!({"role": "tool", "tool_call_id": id, "content": text}));
            }
        }
    }
    Bytes::from(json!({"model": "m", "messages": messages}).to_string())
}

/// Reads what a chat completion's body says.
fn read_openai(body: &[u8]) -> Vec<Said> {
    let body: Value = serde_json::from_slice(body).unwrap();
    let string = |value: &Value| value.as_str().unwrap().to_owned();
    let mut said = Vec::new();
    for message in body["messages"].as_array().unwrap() {
        let content = &message["content"];
        match message["role"].as_str().unwrap() {
            "tool" => said.push(Said::Result {
                id: string(&message["tool_call_id"]),
                text: string(content),
            }),
            "assistant" => {
                said.extend(
                    content
                        .as_str()
                        .map(|text| Said::Assistant(text.to_owned())),
                );
                let none = Vec::new();
                for call in message["tool_calls"].as_array().unwrap_or(&none) {
                    let function = &call["function"];
                    said.push(Said::Call {
                        id: string(&call["id"]),
                        name: string(&function["name"]),
                        input: serde_json::from_str(function["arguments"].as_str().unwrap())
                            .unwrap(),
                    });
                }
            }
            _ => match content.as_array() {
                None => said.push(Said::User(string(content))),
                Some(parts) => said.extend(parts.iter().map(|part| match part["type"].as_str() {
                    Some("text") => Said::User(string(&part["text"])),
                    _ => Said::Picture(string(&part["image_url"]["url"])),
                })),
            },
        }
    }
    said
}

fn answer() -> impl Strategy<Value = Vec<Piece>> {
    let cut = |text: String| {
        let chars: Vec<_> = text.chars().collect();
        chars
            .chunks(3)
            .map(|chunk| chunk.iter().collect())
            .collect::<Vec<String>>()
    };
    let piece = prop_oneof![
        words().prop_map(Piece::Text),
        words().prop_map(Piece::Thinking),
        ("[a-z_]{1,8}", input()).prop_map(move |(name, input)| Piece::Call {
            name,
            input: cut(input.to_string()),
        }),
    ];
    prop::collection::vec(piece, 1..6)
}

fn expected(answer: &[Piece], stop: &str) -> Whole {
    let mut whole = Whole {
        stop: stop.to_owned(),
        usage: (90, 30, 7),
        ..Whole::default()
    };
    for piece in answer {
        match piece {
            Piece::Text(text) => whole.text.push_str(text),
            Piece::Thinking(text) => whole.thinking.push_str(text),
            Piece::Call { name, input } => {
                let id = format!("call_{}", whole.calls.len());
                let input = serde_json::from_str(&input.concat()).unwrap();
                whole.calls.push((id, name.clone(), input));
            }
        }
    }
    whole
}

proptest! {
    #[test]
    fn a_conversation_survives_the_way_to_anthropic_and_back(said in conversation()) {
        let there = OPENAI.encode(ANTHROPIC, &openai_body(&said)).unwrap();
        prop_assert_eq!(&there.dropped, &Vec::<String>::new());
        let back = ANTHROPIC.encode(OPENAI, &there.body.into_bytes()).unwrap();
        let read = read_openai(&back.body.into_bytes());
        // Blank text may not be sent to Anthropic.
        let kept: Vec<_> = said
            .into_iter()
            .filter(|said| match said {
                Said::User(text) | Said::Assistant(text) => !text.trim().is_empty(),
                _ => true,
            })
            .collect();
        prop_assert_eq!(read, kept);
    }

    #[test]
    fn a_stream_of_anthropic_s_is_whole_for_a_client_of_openai_s(answer in answer()) {
        let stream = anthropic_stream(&answer);
        let relayed = relay(&OPENAI.exchange(ANTHROPIC, true), [stream]);
        prop_assert_eq!(relayed.fault, None);
        let stop = if has_calls(&answer) { "tool_calls" } else { "stop" };
        prop_assert_eq!(read_openai_stream(&relayed.bytes), expected(&answer, stop));
    }

    #[test]
    fn a_stream_of_openai_s_is_whole_for_a_client_of_anthropic_s(
        answer in answer(),
        turns in prop::collection::vec(any::<prop::sample::Index>(), 1..9),
    ) {
        let stream = openai_stream(&answer, &turns);
        let relayed = relay(&ANTHROPIC.exchange(OPENAI, true), [stream]);
        prop_assert_eq!(relayed.fault, None);
        let stop = if has_calls(&answer) { "tool_use" } else { "end_turn" };
        prop_assert_eq!(read_anthropic_stream(&relayed.bytes), expected(&answer, stop));
    }

    /// Not so through Google's dialect, which tells calls apart by order, not by identifier.
    #[test]
    fn a_conversation_survives_the_way_to_responses_and_back(said in conversation()) {
        let there = OPENAI.encode(RESPONSES, &openai_body(&said)).unwrap();
        prop_assert_eq!(&there.dropped, &Vec::<String>::new());
        let back = RESPONSES.encode(OPENAI, &there.body.into_bytes()).unwrap();
        prop_assert_eq!(read_openai(&back.body.into_bytes()), said);
    }

    #[test]
    fn a_stream_survives_the_way_through_every_dialect(answer in answer()) {
        let stop = if has_calls(&answer) { "tool_calls" } else { "stop" };
        for via in [GEMINI, RESPONSES, ANTHROPIC] {
            let there = relay(&via.exchange(ANTHROPIC, true), [anthropic_stream(&answer)]);
            prop_assert_eq!(there.fault, None);
            let back = relay(&OPENAI.exchange(via, true), [there.bytes]);
            prop_assert_eq!(back.fault, None);
            prop_assert_eq!(read_openai_stream(&back.bytes), expected(&answer, stop));
        }
    }

    /// The reason for the end is what a client takes for proof that nothing is missing.
    #[test]
    fn a_stream_cut_short_is_never_whole(
        answer in answer(),
        turns in prop::collection::vec(any::<prop::sample::Index>(), 1..9),
        cut in any::<prop::sample::Index>(),
    ) {
        let before = |stream: String, sign: &str| {
            let end = stream.find(sign).unwrap();
            stream.as_bytes()[..=cut.index(end)].to_vec()
        };
        let openai = before(openai_stream(&answer, &turns), "\"finish_reason\":\"");
        let anthropic = before(anthropic_stream(&answer), "event: message_stop");
        for client in [OPENAI, ANTHROPIC] {
            for (target, stream) in [(OPENAI, &openai), (ANTHROPIC, &anthropic)] {
                let relayed = relay(&client.exchange(target, true), [stream]);
                prop_assert!(relayed.fault.is_some());
                if client.dialect != target.dialect {
                    let text = String::from_utf8(relayed.bytes).unwrap();
                    let whole = ["[DONE]", "\"finish_reason\":\"", "message_stop", "\"stop_reason\":\""];
                    prop_assert!(whole.iter().all(|sign| !text.contains(sign)));
                }
            }
        }
    }
}
