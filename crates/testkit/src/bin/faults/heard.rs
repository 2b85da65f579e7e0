//! What a client makes of an answer: how it ended, and what it said.

use ai_gateway_testkit::Dialect;
use serde_json::Value;

use crate::asking::{Form, Heard, Question};

/// How an answer ended, for its client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// Whole, and proven to be.
    Whole,
    /// In the dialect's error event, behind good events or none.
    ErrorEvent,
    /// It is an error, in the dialect's envelope.
    Error,
    /// In none of these ways.
    Wrong,
}

/// Reads an answer as a strict client would; answers its end and its text.
pub(crate) fn read(question: Question, heard: &Heard) -> (End, String) {
    if !heard.is_framed {
        return (End::Wrong, "the framing was cut".to_owned());
    }
    if heard.status != 200 || question.form == Form::Plain {
        return plain(question.dialect, heard);
    }
    stream(question.dialect, &String::from_utf8_lossy(&heard.body))
}

fn plain(dialect: Dialect, heard: &Heard) -> (End, String) {
    let body: Value = serde_json::from_slice(&heard.body).unwrap_or_default();
    if heard.status != 200 {
        let message = body.pointer("/error/message").and_then(Value::as_str);
        let is_error = message.is_some_and(|message| !message.is_empty());
        let end = if is_error { End::Error } else { End::Wrong };
        return (end, String::new());
    }
    let text = match dialect {
        Dialect::Anthropic => body.pointer("/content/0/text"),
        Dialect::Responses => body.pointer("/output/0/content/0/text"),
        Dialect::Gemini => body.pointer("/candidates/0/content/parts/0/text"),
        _ => body.pointer("/choices/0/message/content"),
    };
    match text.and_then(Value::as_str) {
        Some(text) => (End::Whole, text.to_owned()),
        None => (
            End::Wrong,
            String::from_utf8_lossy(&heard.body).into_owned(),
        ),
    }
}

fn stream(dialect: Dialect, body: &str) -> (End, String) {
    let mut text = String::new();
    let mut end = None;
    let normal = body.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    for event in normal.replace('\r', "\n").split("\n\n") {
        let data: Vec<&str> = event
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(|data| data.strip_prefix(' ').unwrap_or(data))
            .collect();
        if data.is_empty() {
            continue;
        }
        if end.is_some() {
            return (End::Wrong, "something follows the end".to_owned());
        }
        let data = data.join("\n");
        if data == "[DONE]" {
            end = Some(End::Whole);
            continue;
        }
        let Ok(data) = serde_json::from_str::<Value>(&data) else {
            return (End::Wrong, format!("malformed: {data}"));
        };
        let kind = data.get("type").and_then(Value::as_str).unwrap_or_default();
        let is_error = data.get("error").is_some_and(|error| !error.is_null());
        let has_finished = data.pointer("/candidates/0/finishReason").is_some();
        if is_error || matches!(kind, "error" | "response.failed") {
            end = Some(End::ErrorEvent);
        } else if has_finished || matches!(kind, "message_stop" | "response.completed") {
            end = Some(End::Whole);
        }
        let piece = match dialect {
            Dialect::Anthropic => data.pointer("/delta/text"),
            Dialect::Responses if kind == "response.output_text.delta" => data.get("delta"),
            Dialect::Responses => None,
            Dialect::Gemini => data.pointer("/candidates/0/content/parts/0/text"),
            _ => data.pointer("/choices/0/delta/content"),
        };
        text.push_str(piece.and_then(Value::as_str).unwrap_or_default());
    }
    match end {
        Some(end) => (end, text),
        None => (End::Wrong, "it looks neither whole nor broken".to_owned()),
    }
}
