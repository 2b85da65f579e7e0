//! The input of a response: a text, or items.

use serde_json::{Map, Value};

use crate::answer::Asked;
use crate::dialect::{Refusal, check, elements, text_of};

pub(super) fn read(input: &Value, asked: &mut Asked) -> Result<(), Refusal> {
    if let Some(text) = input.as_str() {
        asked.count_input(text);
        text.clone_into(&mut asked.question);
        return Ok(());
    }
    if elements(input).is_empty() {
        return Err(Refusal::about(
            "input",
            "One of 'input' or 'prompt' must be provided.",
        ));
    }
    // Calls that have no result yet.
    let mut open: Vec<&str> = Vec::new();
    for (index, item) in elements(input).iter().enumerate() {
        let param = format!("input[{index}]");
        match text_of(item, "type") {
            "message" | "" => read_message(item, &param, asked)?,
            "function_call" => open.push(read_call(item, &param)?),
            "function_call_output" => {
                let id = text_of(item, "call_id");
                let Some(position) = open.iter().position(|made| *made == id) else {
                    let message =
                        format!("No tool call found for function call output with call_id {id}.");
                    return Err(Refusal::about("input", message));
                };
                open.remove(position);
                let text = match &item["output"] {
                    Value::String(text) => text.clone(),
                    parts => elements(parts)
                        .iter()
                        .map(|part| text_of(part, "text"))
                        .collect(),
                };
                asked.count_input(&text);
                asked.tool_results.push(text);
            }
            "reasoning" if text_of(item, "id").is_empty() => {
                return Err(Refusal::about(
                    &param,
                    format!("Missing required parameter: '{param}.id'."),
                ));
            }
            "reasoning" => {}
            other => {
                let message = format!("Invalid value: '{other}'.");
                return Err(Refusal::about(format!("{param}.type"), message));
            }
        }
    }
    match open.as_slice() {
        [] => Ok(()),
        [id, ..] => Err(Refusal::about(
            "input",
            format!("No tool output found for function call {id}."),
        )),
    }
}

fn read_call<'a>(item: &'a Value, param: &str) -> Result<&'a str, Refusal> {
    let id = text_of(item, "call_id");
    let arguments = text_of(item, "arguments");
    let is_well = (1..=64).contains(&id.len())
        && check::is_plain_name(text_of(item, "name"), 64)
        && serde_json::from_str::<Map<String, Value>>(arguments).is_ok();
    if is_well {
        return Ok(id);
    }
    Err(Refusal::about(param, format!("Invalid '{param}'.")))
}

fn read_message(item: &Value, param: &str, asked: &mut Asked) -> Result<(), Refusal> {
    let role = text_of(item, "role");
    if !["user", "assistant", "system", "developer"].contains(&role) {
        let message = format!("Invalid value: '{role}'.");
        return Err(Refusal::about(format!("{param}.role"), message));
    }
    let mut texts = Vec::new();
    match &item["content"] {
        Value::String(text) => texts.push(text.as_str()),
        Value::Array(parts) if !parts.is_empty() => {
            for (index, part) in parts.iter().enumerate() {
                let param = format!("{param}.content[{index}]");
                texts.extend(read_part(part, role, &param, asked)?);
            }
        }
        _ => {
            let message = format!("Invalid type for '{param}.content'.");
            return Err(Refusal::about(format!("{param}.content"), message));
        }
    }
    let text = texts.join(" ");
    match role {
        "user" => {
            asked.count_input(&text);
            asked.question = text;
            asked.tool_results.clear();
        }
        "assistant" => asked.count_input(&text),
        _ => asked.count_instructions(&text),
    }
    Ok(())
}

fn read_part<'a>(
    part: &'a Value,
    role: &str,
    param: &str,
    asked: &mut Asked,
) -> Result<Option<&'a str>, Refusal> {
    let kind = text_of(part, "type");
    match (kind, role) {
        ("output_text", "assistant") | ("input_text", "user" | "system" | "developer") => {
            return Ok(part["text"].as_str());
        }
        ("refusal", "assistant") => return Ok(part["refusal"].as_str()),
        ("input_image", "user") => {
            let url = text_of(part, "image_url");
            if !(check::is_image_url(url) || url.starts_with("http")) {
                let message = "The image data you provided does not represent a valid image.";
                return Err(Refusal {
                    code: Some("invalid_value"),
                    ..Refusal::about(param, message)
                });
            }
            asked.images += 1;
        }
        ("input_file", "user") => {}
        _ => {
            let message = format!("Invalid value: '{kind}'.");
            return Err(Refusal::about(format!("{param}.type"), message));
        }
    }
    Ok(None)
}
