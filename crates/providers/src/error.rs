//! Errors in a client's dialect.

mod body;

use bytes::Bytes;

pub(crate) use body::ErrorBody;

use crate::dialect::Dialect;
use crate::fault::FaultClass;
use crate::{anthropic, gemini, openai, responses};

/// An error as a client is to read it.
#[derive(Clone, Copy, Debug)]
pub struct GatewayError<'a> {
    /// The HTTP status.
    pub status: u16,
    /// A stable name for programs, such as `no_target_available`; empty for none.
    pub code: &'a str,
    /// What happened and what to do, for people.
    pub message: &'a str,
    /// The field of the request at fault.
    pub param: Option<&'a str>,
    /// The request's identifier.
    pub request_id: Option<&'a str>,
}

/// Writes an error in the client's dialect.
pub fn render_error(client: Dialect, error: &GatewayError<'_>) -> Bytes {
    match client {
        Dialect::OpenAiChat
        | Dialect::OpenAiResponses
        // No client speaks these.
        | Dialect::BedrockConverse
        | Dialect::CohereChat => openai::error::body(error),
        Dialect::AnthropicMessages => anthropic::error::body(error),
        Dialect::GeminiGenerate => gemini::error::body(error),
    }
    .into()
}

/// Writes an error as an event that ends a stream in the client's dialect. No other event may
/// follow it.
pub fn render_error_event(client: Dialect, error: &GatewayError<'_>) -> Bytes {
    match client {
        Dialect::OpenAiChat | Dialect::BedrockConverse | Dialect::CohereChat => {
            format!("data: {}\n\n", openai::error::body(error))
        }
        Dialect::OpenAiResponses => responses::error::event(error),
        Dialect::GeminiGenerate => format!("data: {}\n\n", gemini::error::body(error)),
        Dialect::AnthropicMessages => {
            format!("event: error\ndata: {}\n\n", anthropic::error::body(error))
        }
    }
    .into()
}

/// Turns a target's refusal that is the caller's own fault into the client's dialect: its status
/// and its body.
///
/// The status stays. Where both sides speak the same dialect the body stays too, unless it is not
/// JSON: what a load balancer wrote is replaced.
pub fn translate_error(
    client: Dialect,
    target: Dialect,
    status: u16,
    body: &Bytes,
) -> (u16, Bytes) {
    let said = ErrorBody::read(body);
    let is_openai = |dialect| matches!(dialect, Dialect::OpenAiChat | Dialect::OpenAiResponses);
    let is_same = client == target || (is_openai(client) && is_openai(target));
    if is_same && said.is_some() {
        return (status, body.clone());
    }
    let said = said.unwrap_or_default();
    let is_context_length =
        super::fault::classify_event(target, &said) == FaultClass::ContextLength;
    let code = if is_context_length {
        "context_length_exceeded"
    } else {
        said.code.as_str()
    };
    let message = match said.message.as_str() {
        "" => "the provider refused the request and did not say why",
        message => message,
    };
    let error = GatewayError {
        status,
        code,
        message,
        param: said.param.as_deref(),
        request_id: said.request_id.as_deref(),
    };
    (status, render_error(client, &error))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{GatewayError, render_error, render_error_event, translate_error};
    use crate::dialect::Dialect::{AnthropicMessages as Anthropic, OpenAiChat as OpenAi};

    const ERROR: GatewayError<'_> = GatewayError {
        status: 503,
        code: "no_target_available",
        message: "every target \"rests\"",
        param: None,
        request_id: Some("r1"),
    };

    #[test]
    fn the_gateway_s_own_errors_take_the_client_s_shape() {
        assert_eq!(
            render_error(OpenAi, &ERROR),
            r#"{"error":{"message":"every target \"rests\"","type":"service_unavailable_error","param":null,"code":"no_target_available"}}"#
        );
        assert_eq!(
            render_error(Anthropic, &ERROR),
            r#"{"type":"error","error":{"type":"overloaded_error","message":"every target \"rests\""},"request_id":"r1"}"#
        );
    }

    #[test]
    fn an_error_event_is_the_last_of_its_stream() {
        let event = render_error_event(OpenAi, &ERROR);
        assert!(event.starts_with(b"data: {\"error\":") && event.ends_with(b"}\n\n"));
        assert!(!event.windows(6).any(|bytes| bytes == b"[DONE]"));
        let event = render_error_event(Anthropic, &ERROR);
        assert!(event.starts_with(b"event: error\ndata: {\"type\":\"error\""));
    }

    #[test]
    fn a_refusal_stays_as_it_is_for_a_client_of_the_same_dialect() {
        let body = Bytes::from_static(br#"{"error":{"message":"m","new":1}}"#);
        assert_eq!(
            translate_error(OpenAi, OpenAi, 422, &body),
            (422, body.clone())
        );
        let html = Bytes::from_static(b"<html>");
        let (status, body) = translate_error(OpenAi, OpenAi, 413, &html);
        assert_eq!(status, 413);
        assert!(body.starts_with(br#"{"error":{"message":"the provider refused"#));
    }

    #[test]
    fn a_refusal_takes_the_type_that_its_status_has_in_the_other_dialect() {
        let body = Bytes::from_static(
            br#"{"error":{"message":"too big","type":"invalid_request_error","param":null,"code":null}}"#,
        );
        let (_, body) = translate_error(Anthropic, OpenAi, 413, &body);
        assert_eq!(
            body,
            r#"{"type":"error","error":{"type":"request_too_large","message":"too big"}}"#
        );
        let body = Bytes::from_static(
            br#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 > 8"},"request_id":"req_1"}"#,
        );
        let (_, body) = translate_error(OpenAi, Anthropic, 400, &body);
        assert_eq!(
            body,
            r#"{"error":{"message":"prompt is too long: 9 > 8","type":"invalid_request_error","param":null,"code":"context_length_exceeded"}}"#
        );
    }
}
