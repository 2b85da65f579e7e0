//! Who asks to be told what a model thinks, and who does not.

use ai_gateway_providers::{Dialect, Intake, Quirks, Stamp, Surface, TargetTraits, encode};
use bytes::Bytes;
use serde_json::{Value, json};

#[test]
fn a_responses_target_tells_its_thoughts_to_who_asks_for_them() {
    /// What a request asks a model that reasons, behind the Responses API, of its thoughts.
    fn reasoning(surface: Surface, body: &Value) -> Value {
        let body = Bytes::from(body.to_string());
        let intake = Intake::read(surface, &body).unwrap();
        let to = TargetTraits {
            dialect: Dialect::OpenAiResponses,
            model: "o3",
            path: "/v1/responses",
            api_version: None,
            quirks: &Quirks::NONE,
            default_max_tokens: 4096,
        };
        let stamp = Stamp {
            created: 0,
            request_id: "r",
        };
        let body = encode(&intake, &body, &to, stamp)
            .unwrap()
            .body
            .into_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        body["reasoning"].clone()
    }

    let messages = json!([{"role": "user", "content": "why?"}]);
    let of_anthropic = |thinking: Value| {
        let body =
            json!({"model": "o3", "max_tokens": 4000, "messages": messages, "thinking": thinking});
        reasoning(Surface::Messages, &body)
    };
    let enabled = json!({"type": "enabled", "budget_tokens": 2048});
    let told = json!({"effort": "medium", "summary": "auto"});
    assert_eq!(of_anthropic(enabled), told);
    let omitted = json!({"type": "enabled", "budget_tokens": 2048, "display": "omitted"});
    assert_eq!(of_anthropic(omitted), json!({"effort": "medium"}));
    assert_eq!(of_anthropic(json!({"type": "disabled"})), Value::Null);

    let of_google = |thinking: Value| {
        let contents = json!([{"role": "user", "parts": [{"text": "why?"}]}]);
        let config = json!({"thinkingConfig": thinking});
        let body = json!({"contents": contents, "generationConfig": config});
        reasoning(Surface::GenerateContent, &body)
    };
    let shown = json!({"include_thoughts": true});
    assert_eq!(of_google(shown), json!({"summary": "auto"}));
    let shown = json!({"includeThoughts": true, "thinkingBudget": 2048});
    assert_eq!(of_google(shown), told);
    let hidden = json!({"thinkingBudget": 2048});
    assert_eq!(of_google(hidden), json!({"effort": "medium"}));
    let off = json!({"includeThoughts": true, "thinkingBudget": 0});
    assert_eq!(of_google(off), Value::Null);

    let body = json!({"model": "o3", "messages": messages, "reasoning_effort": "medium"});
    let of_chat = reasoning(Surface::ChatCompletions, &body);
    assert_eq!(of_chat, json!({"effort": "medium"}));
}
