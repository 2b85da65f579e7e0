//! Vectors that depend on the text and nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{check_model, read_object};
use crate::answer::count_tokens;
use crate::dialect::{Call, Refusal, Reply, text_of};

pub(in crate::dialect) fn embeddings(call: &Call<'_>) -> Result<Reply, Refusal> {
    let body = Value::Object(read_object(call.body)?);
    let model = text_of(&body, "model");
    check_model(call, model)?;
    let inputs: Vec<&str> = match &body["input"] {
        Value::String(text) => vec![text],
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if inputs.is_empty() {
        return Err(Refusal::about(
            "input",
            "'input' must be a string or a list of strings.",
        ));
    }
    let dimensions = body["dimensions"]
        .as_u64()
        .and_then(|count| u8::try_from(count).ok())
        .unwrap_or(8);
    let as_base64 = body["encoding_format"] == "base64";
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let vector = embedding_of(text, dimensions);
            let bytes: Vec<u8> = vector
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            let embedding = if as_base64 {
                json!(STANDARD.encode(bytes))
            } else {
                json!(vector)
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let tokens: u64 = inputs.iter().map(|text| count_tokens(text)).sum();
    let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
    let body = json!({"object": "list", "data": data, "model": model, "usage": usage});
    Ok(Reply::Json { status: 200, body })
}

/// A vector that depends on the text and nothing else.
fn embedding_of(text: &str, dimensions: u8) -> Vec<f32> {
    let sum = text.bytes().fold(0_u8, u8::wrapping_add);
    (0..dimensions)
        .map(|index| f32::from(sum.wrapping_add(index)) / 256.0)
        .collect()
}
