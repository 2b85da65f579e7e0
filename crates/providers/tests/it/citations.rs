//! What an answer's text is from survives the way there and back.

use std::fmt::Write as _;
use std::ops::Range;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::setup::{ANTHROPIC, GEMINI, OPENAI, RESPONSES, Side, relay};

/// Parts of a text, each with the pages that it is from.
type Parts = Vec<(String, Vec<Page>)>;

/// A page's address and title.
type Page = (String, String);

/// What is cited: which characters, and the page.
type Cited = Vec<(Range<usize>, Page)>;

fn parts() -> impl Strategy<Value = Parts> {
    let page = (
        "https://[a-z]{1,8}\\.example/\\?[a-z\"\\\\]{0,3}",
        "[a-zé\"]{1,6}",
    );
    // Blank text can be no part of its own, and pages of neighbours would become one.
    let text = "[a-zé\"\\\\\n\u{1f980}]{0,8}[a-z]";
    prop::collection::vec((text, prop::collection::vec(page, 0..3)), 1..5)
}

fn text_of(parts: &Parts) -> String {
    parts.iter().map(|(text, _)| text.as_str()).collect()
}

fn cited(parts: &Parts) -> Cited {
    let mut cited = Vec::new();
    let mut at = 0;
    for (text, pages) in parts {
        let end = at + text.chars().count();
        cited.extend(pages.iter().map(|page| (at..end, page.clone())));
        at = end;
    }
    cited
}

fn annotation((span, (url, title)): &(Range<usize>, Page)) -> Value {
    let page =
        json!({"start_index": span.start, "end_index": span.end, "url": url, "title": title});
    json!({"type": "url_citation", "url_citation": page})
}

fn read_annotation(annotation: &Value) -> (Range<usize>, Page) {
    let page = &annotation["url_citation"];
    let number = |name: &str| usize::try_from(page[name].as_u64().unwrap()).unwrap();
    let string = |name: &str| page[name].as_str().unwrap().to_owned();
    (
        number("start_index")..number("end_index"),
        (string("url"), string("title")),
    )
}

/// The text and what it is from, of a chat completion.
fn read_answer(answer: &[u8]) -> (String, Cited) {
    let answer: Value = serde_json::from_slice(answer).unwrap();
    let message = &answer["choices"][0]["message"];
    let annotations = message["annotations"].as_array().into_iter().flatten();
    let text = message["content"].as_str().unwrap().to_owned();
    (text, annotations.map(read_annotation).collect())
}

/// The same of a stream of them.
fn read_stream(stream: &[u8]) -> (String, Cited) {
    let stream = std::str::from_utf8(stream).unwrap();
    let (mut text, mut cited) = (String::new(), Cited::new());
    for data in stream
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
    {
        if data == "[DONE]" {
            continue;
        }
        let chunk: Value = serde_json::from_str(data).unwrap();
        let delta = &chunk["choices"][0]["delta"];
        text.push_str(delta["content"].as_str().unwrap_or_default());
        let annotations = delta["annotations"].as_array().into_iter().flatten();
        cited.extend(annotations.map(read_annotation));
    }
    (text, cited)
}

fn openai_answer(parts: &Parts) -> Bytes {
    let annotations: Vec<_> = cited(parts).iter().map(annotation).collect();
    let message =
        json!({"role": "assistant", "content": text_of(parts), "annotations": annotations});
    let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
    Bytes::from(json!({"id": "x", "model": "g", "choices": [choice]}).to_string())
}

fn openai_stream(parts: &Parts) -> String {
    let mut stream = String::new();
    let mut chunk = |delta: Value, reason: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": reason});
        let chunk = json!({"id": "x", "model": "g", "choices": [choice]});
        write!(stream, "data: {chunk}\n\n").unwrap();
    };
    for (text, _) in parts {
        chunk(json!({"content": text}), Value::Null);
    }
    let annotations: Vec<_> = cited(parts).iter().map(annotation).collect();
    chunk(json!({"annotations": annotations}), Value::Null);
    chunk(json!({}), json!("stop"));
    stream + "data: [DONE]\n\n"
}

fn anthropic_citation((url, title): &Page) -> Value {
    json!({"type": "web_search_result_location", "url": url, "title": title, "cited_text": "q", "encrypted_index": "E"})
}

fn anthropic_answer(parts: &Parts) -> Bytes {
    let blocks = parts.iter().map(|(text, pages)| {
        let citations: Vec<_> = pages.iter().map(anthropic_citation).collect();
        json!({"type": "text", "text": text, "citations": citations})
    });
    let content: Vec<_> = blocks.collect();
    let answer = json!({"id": "x", "type": "message", "model": "c", "content": content, "stop_reason": "end_turn"});
    Bytes::from(answer.to_string())
}

fn anthropic_stream(parts: &Parts) -> String {
    let mut stream = String::new();
    let mut event = |event: Value| {
        let kind = event["type"].as_str().unwrap();
        write!(stream, "event: {kind}\ndata: {event}\n\n").unwrap();
    };
    event(json!({"type": "message_start", "message": {"id": "x", "model": "c"}}));
    for (index, (text, pages)) in parts.iter().enumerate() {
        event(
            json!({"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}}),
        );
        let mut delta = |delta: Value| {
            event(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        };
        // The proof may come before the text is whole.
        let half = text.char_indices().nth(text.chars().count() / 2).unwrap().0;
        let (begin, end) = text.split_at(half);
        delta(json!({"type": "text_delta", "text": begin}));
        for page in pages {
            delta(json!({"type": "citations_delta", "citation": anthropic_citation(page)}));
        }
        delta(json!({"type": "text_delta", "text": end}));
        event(json!({"type": "content_block_stop", "index": index}));
    }
    event(json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}));
    event(json!({"type": "message_stop"}));
    stream
}

/// Brings an answer of `from` to a client of chat completions by way of `via`.
fn answer_by(from: Side, via: Side, answer: &Bytes) -> (String, Cited) {
    let there = via.exchange(from, false).response(answer.clone()).unwrap();
    assert_eq!(there.dropped, Vec::<String>::new());
    let back = OPENAI.exchange(via, false).response(there.body).unwrap();
    read_answer(&back.body)
}

fn stream_by(from: Side, via: Side, stream: &str) -> (String, Cited) {
    let there = relay(&via.exchange(from, false), [stream.as_bytes()]);
    assert_eq!(there.fault, None);
    let back = relay(&OPENAI.exchange(via, false), [there.bytes]);
    assert_eq!(back.fault, None);
    read_stream(&back.bytes)
}

proptest! {
    #[test]
    fn of_an_answer(parts in parts()) {
        let whole = (text_of(&parts), cited(&parts));
        let (openai, anthropic) = (openai_answer(&parts), anthropic_answer(&parts));
        for via in [GEMINI, RESPONSES, ANTHROPIC] {
            prop_assert_eq!(&answer_by(OPENAI, via, &openai), &whole, "{}", via.name);
        }
        for via in [GEMINI, RESPONSES] {
            prop_assert_eq!(&answer_by(ANTHROPIC, via, &anthropic), &whole, "{}", via.name);
        }
        let direct = OPENAI.exchange(ANTHROPIC, false).response(anthropic).unwrap();
        prop_assert_eq!(read_answer(&direct.body), whole);
    }

    /// Not so by way of Anthropic from a dialect that cites at the end: what was said before has no
    /// place for it any more.
    #[test]
    fn of_a_stream(parts in parts()) {
        let whole = (text_of(&parts), cited(&parts));
        let (openai, anthropic) = (openai_stream(&parts), anthropic_stream(&parts));
        for via in [GEMINI, RESPONSES] {
            prop_assert_eq!(&stream_by(OPENAI, via, &openai), &whole, "{}", via.name);
            prop_assert_eq!(&stream_by(ANTHROPIC, via, &anthropic), &whole, "{}", via.name);
        }
        let direct = relay(&OPENAI.exchange(ANTHROPIC, false), [anthropic]);
        prop_assert_eq!(direct.fault, None);
        prop_assert_eq!(read_stream(&direct.bytes), whole);
        let there = relay(&ANTHROPIC.exchange(OPENAI, false), [openai]);
        let back = relay(&OPENAI.exchange(ANTHROPIC, false), [there.bytes]);
        let pages = |cited: Cited| cited.into_iter().map(|(_, page)| page).collect::<Vec<_>>();
        prop_assert_eq!(pages(read_stream(&back.bytes).1), pages(cited(&parts)));
    }
}

#[test]
fn what_is_of_no_page_and_what_is_too_much_is_listed() {
    let own = json!({"type": "char_location", "cited_text": "x", "document_index": 0});
    let page = anthropic_citation(&("https://a.example/".to_owned(), "A".to_owned()));
    let dropped = |citations: Vec<Value>| {
        let block = json!({"type": "text", "text": "a", "citations": citations});
        let answer = json!({"id": "x", "content": [block], "stop_reason": "end_turn"});
        let exchange = OPENAI.exchange(ANTHROPIC, false);
        exchange
            .response(Bytes::from(answer.to_string()))
            .unwrap()
            .dropped
    };
    assert_eq!(dropped(vec![page.clone(), own]), ["citations"]);
    assert_eq!(dropped(vec![page.clone(); 256]), Vec::<String>::new());
    assert_eq!(dropped(vec![page; 257]), ["citations"]);
}
