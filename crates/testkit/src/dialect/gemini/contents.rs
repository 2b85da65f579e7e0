//! The turns of a conversation.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::only;
use crate::answer::Asked;
use crate::dialect::{Refusal, check, elements, text_of};

pub(in crate::dialect) fn read(contents: &Value, asked: &mut Asked) -> Result<(), Refusal> {
    if elements(contents).is_empty() {
        return Err(Refusal::invalid(
            "* GenerateContentRequest.contents: contents is not specified",
        ));
    }
    // The calls of the turn before, each of which needs its result now.
    let mut open: Vec<&str> = Vec::new();
    for (index, content) in elements(contents).iter().enumerate() {
        let at = format!("contents[{index}]");
        only(content, &at, &["role", "parts"])?;
        let turn = Turn::read(content, &at, asked)?;
        if turn.results != open {
            return Err(Refusal::invalid(
                "Please ensure that the number of function response parts is equal to the number \
                 of function call parts of the function call turn, in their order.",
            ));
        }
        match text_of(content, "role") {
            "user" | "" => {
                if !turn.calls.is_empty() {
                    return Err(Refusal::invalid(format!("{at}: a user calls no function")));
                }
                if !turn.texts.is_empty() {
                    asked.question = turn.texts.join(" ");
                    asked.tool_results.clear();
                }
                asked.tool_results.extend(turn.outputs);
            }
            "model" => {}
            _ => {
                return Err(Refusal::invalid(format!(
                    "{at}: Please use a valid role: user, model."
                )));
            }
        }
        open = turn.calls;
    }
    match open.as_slice() {
        [] => Ok(()),
        [name, ..] => Err(Refusal::invalid(format!(
            "the call of {name} has no response"
        ))),
    }
}

#[derive(Default)]
struct Turn<'a> {
    texts: Vec<&'a str>,
    calls: Vec<&'a str>,
    results: Vec<&'a str>,
    outputs: Vec<String>,
}

impl<'a> Turn<'a> {
    fn read(content: &'a Value, at: &str, asked: &mut Asked) -> Result<Self, Refusal> {
        let parts = elements(&content["parts"]);
        if parts.is_empty() {
            return Err(Refusal::invalid(format!("{at}.parts: must not be empty.")));
        }
        let mut turn = Self::default();
        for (index, part) in parts.iter().enumerate() {
            let at = format!("{at}.parts[{index}]");
            only(part, &at, PARTS)?;
            let kinds = DATA.iter().filter(|name| !part[**name].is_null());
            let [kind] = kinds.copied().collect::<Vec<_>>()[..] else {
                return Err(Refusal::invalid(format!(
                    "{at}.data: required oneof field 'data' must have one initialized field"
                )));
            };
            turn.take(kind, part, &at, asked)?;
        }
        if !turn.results.is_empty() && turn.results.len() < parts.len() {
            return Err(Refusal::invalid(format!(
                "{at}: function responses stand alone in their turn"
            )));
        }
        Ok(turn)
    }

    fn take(
        &mut self,
        kind: &str,
        part: &'a Value,
        at: &str,
        asked: &mut Asked,
    ) -> Result<(), Refusal> {
        let value = &part[kind];
        match kind {
            "text" => {
                let text = text_of(part, "text");
                if text.is_empty() {
                    return Err(Refusal::invalid(format!("{at}.text: must not be empty")));
                }
                asked.count_input(text);
                if part["thought"] != true {
                    self.texts.push(text);
                }
            }
            "inlineData" => {
                only(value, at, &["mimeType", "data"])?;
                let media_type = text_of(value, "mimeType");
                // The alphabet for URLs is as good as the usual one here.
                let data = &text_of(value, "data").replace('-', "+").replace('_', "/");
                let is_image = media_type.starts_with("image/");
                let is_well = match is_image {
                    true => check::is_image(media_type, data),
                    false => STANDARD.decode(data).is_ok_and(|bytes| !bytes.is_empty()),
                };
                if !is_well {
                    return Err(Refusal::invalid(
                        "Unable to process input image. Please retry or report.",
                    ));
                }
                asked.images += usize::from(is_image);
            }
            "functionCall" => {
                only(value, at, &["name", "args", "id"])?;
                if !value["args"].is_object() && !value["args"].is_null() {
                    return Err(Refusal::invalid(format!(
                        "{at}.function_call.args: not an object"
                    )));
                }
                self.calls.push(text_of(value, "name"));
            }
            "functionResponse" => {
                only(value, at, &["name", "response", "id"])?;
                let Some(response) = value["response"].as_object() else {
                    return Err(Refusal::invalid(format!(
                        "{at}.function_response.response: not an object"
                    )));
                };
                // Whatever it is called; some clients write the tool's name beside it.
                let told = response.iter().filter(|(name, _)| *name != "name");
                let output: Vec<&str> = told.filter_map(|(_, value)| value.as_str()).collect();
                let output = output.join(" ");
                asked.count_input(&output);
                self.results.push(text_of(value, "name"));
                self.outputs.push(output);
            }
            _ => {}
        }
        Ok(())
    }
}

/// What a part holds, one of these.
const DATA: &[&str] = &[
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
];

const PARTS: &[&str] = &[
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "thought",
    "thoughtSignature",
    "videoMetadata",
];
