//! From status, type, code and words to a class.

use crate::dialect::Dialect;
use crate::error::ErrorBody;
use crate::fault::{FaultClass, ProviderFault, retry_after};

/// Says what an answer other than 2xx means.
///
/// `headers` looks a header up by its lower-case name. The body may be anything, HTML or nothing
/// included; what it says refines what the status says.
pub fn classify<'h>(
    dialect: Dialect,
    status: u16,
    headers: impl Fn(&str) -> Option<&'h str>,
    body: &[u8],
) -> ProviderFault {
    let mut said = ErrorBody::read(body).unwrap_or_default();
    if let (Dialect::BedrockConverse, Some(kind)) = (dialect, headers("x-amzn-errortype")) {
        // Some have the address of a schema behind the name.
        kind.split(':')
            .next()
            .unwrap_or_default()
            .clone_into(&mut said.kind);
    }
    let class = of_status(dialect, status, &said);
    let retry_after = match class {
        FaultClass::RateLimited
        | FaultClass::Overloaded
        | FaultClass::Unavailable
        | FaultClass::Quota
        | FaultClass::ServerError
        | FaultClass::Timeout => retry_after::from_headers(status, &headers)
            .or_else(|| said.retry_delay.as_deref().and_then(retry_after::duration)),
        FaultClass::CallerFault
        | FaultClass::ContextLength
        | FaultClass::ContentRefused
        | FaultClass::ModelMissing
        | FaultClass::Credentials => None,
    };
    ProviderFault {
        class,
        retry_after,
        message: said.message,
    }
}

/// Says what an error in the middle of a stream, or in a body of status 200, means.
pub(crate) fn classify_event(dialect: Dialect, said: &ErrorBody) -> FaultClass {
    if let Some(status) = said.status {
        return of_status(dialect, status, said);
    }
    let names = [said.code.as_str(), said.kind.as_str()];
    let named = |wanted: &[&str]| names.iter().any(|name| wanted.contains(name));
    if named(&[
        "overloaded_error",
        "server_is_overloaded",
        "overloaded",
        "slow_down",
    ]) {
        FaultClass::Overloaded
    } else if named(&["insufficient_quota", "billing_error"]) {
        FaultClass::Quota
    } else if named(&[
        "rate_limit_error",
        "rate_limit_exceeded",
        "RESOURCE_EXHAUSTED",
        "throttlingException",
    ]) {
        FaultClass::RateLimited
    } else if named(&[
        "timeout_error",
        "timeout",
        "DEADLINE_EXCEEDED",
        "modelTimeoutException",
    ]) {
        FaultClass::Timeout
    } else if named(&[
        "service_unavailable_error",
        "UNAVAILABLE",
        "serviceUnavailableException",
    ]) {
        FaultClass::Unavailable
    } else if named(&[
        "authentication_error",
        "permission_error",
        "invalid_api_key",
    ]) {
        FaultClass::Credentials
    } else if named(&["not_found_error", "model_not_found"]) {
        FaultClass::ModelMissing
    } else if named(&[
        "invalid_request_error",
        "request_too_large",
        "INVALID_ARGUMENT",
        "validationException",
    ]) {
        refusal(said)
    } else if named(&["content_filter", "content_policy_violation"]) {
        FaultClass::ContentRefused
    } else {
        FaultClass::ServerError
    }
}

fn of_status(dialect: Dialect, status: u16, said: &ErrorBody) -> FaultClass {
    match status {
        400 if said.kind == "ServiceQuotaExceededException" => FaultClass::RateLimited,
        400 | 422 => refusal(said),
        401 => FaultClass::Credentials,
        402 => FaultClass::Quota,
        403 if is_out_of_quota(dialect, said) => FaultClass::Quota,
        403 => FaultClass::Credentials,
        404 => FaultClass::ModelMissing,
        408 | 504 | 524 => FaultClass::Timeout,
        413 if is_context_length(said) => FaultClass::ContextLength,
        424 => FaultClass::ServerError,
        429 if is_out_of_quota(dialect, said) => FaultClass::Quota,
        429 => FaultClass::RateLimited,
        529 => FaultClass::Overloaded,
        405..=499 => FaultClass::CallerFault,
        500 | 503 if is_overloaded(said) => FaultClass::Overloaded,
        503 => FaultClass::Unavailable,
        _ => FaultClass::ServerError,
    }
}

/// What a 400 or 422 is about.
fn refusal(said: &ErrorBody) -> FaultClass {
    match said.code.as_str() {
        "context_length_exceeded" | "string_above_max_length" => FaultClass::ContextLength,
        "content_filter" | "content_policy_violation" | "ResponsibleAIPolicyViolation" => {
            FaultClass::ContentRefused
        }
        "model_not_found" | "model_not_available" => FaultClass::ModelMissing,
        "invalid_api_key" => FaultClass::Credentials,
        "insufficient_quota" | "billing_hard_limit_reached" | "billing_not_active" => {
            FaultClass::Quota
        }
        _ if said.reason == "API_KEY_INVALID" => FaultClass::Credentials,
        // Anthropic has neither a code nor a type for an account without credit.
        _ if said.message.contains("credit balance is too low") => FaultClass::Quota,
        _ if is_context_length(said) => FaultClass::ContextLength,
        _ => FaultClass::CallerFault,
    }
}

/// Most providers say it in words alone.
fn is_context_length(said: &ErrorBody) -> bool {
    const WORDS: [&str; 7] = [
        "maximum context length",
        "prompt is too long",
        "context window",
        "context length",
        "exceeds the maximum number of tokens",
        "input is too long",
        "exceed context limit",
    ];
    let message = said.message.to_ascii_lowercase();
    said.code == "context_length_exceeded" || WORDS.iter().any(|words| message.contains(words))
}

fn is_out_of_quota(dialect: Dialect, said: &ErrorBody) -> bool {
    let names = [said.code.as_str(), said.kind.as_str(), said.reason.as_str()];
    let spent: &[&str] = match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => &[
            "insufficient_quota",
            "billing_hard_limit_reached",
            "billing_not_active",
        ],
        Dialect::AnthropicMessages => &["billing_error", "enforced_spend_limit_reached"],
        Dialect::BedrockConverse | Dialect::CohereChat => &[],
        // Its status for this is the one it has for a rate limit.
        Dialect::GeminiGenerate => &["BILLING_DISABLED", "insufficient_quota"],
    };
    names.iter().any(|name| spent.contains(name))
}

fn is_overloaded(said: &ErrorBody) -> bool {
    let names = [said.code.as_str(), said.kind.as_str()];
    names.iter().any(|name| {
        [
            "overloaded_error",
            "server_is_overloaded",
            "overloaded",
            "slow_down",
        ]
        .contains(name)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{classify, classify_event};
    use crate::dialect::Dialect::{AnthropicMessages as Anthropic, OpenAiChat as OpenAi};
    use crate::error::ErrorBody;
    use crate::fault::FaultClass as Class;

    #[track_caller]
    fn check(dialect: crate::dialect::Dialect, status: u16, body: &str, class: Class) {
        assert_eq!(
            classify(dialect, status, |_| None, body.as_bytes()).class,
            class
        );
    }

    #[test]
    fn the_status_alone_tells_most() {
        for (status, class) in [
            (302, Class::ServerError),
            (400, Class::CallerFault),
            (401, Class::Credentials),
            (402, Class::Quota),
            (403, Class::Credentials),
            (404, Class::ModelMissing),
            (405, Class::CallerFault),
            (408, Class::Timeout),
            (409, Class::CallerFault),
            (413, Class::CallerFault),
            (415, Class::CallerFault),
            (422, Class::CallerFault),
            (424, Class::ServerError),
            (429, Class::RateLimited),
            (500, Class::ServerError),
            (502, Class::ServerError),
            (503, Class::Unavailable),
            (504, Class::Timeout),
            (520, Class::ServerError),
            (524, Class::Timeout),
            (529, Class::Overloaded),
        ] {
            for body in [
                "",
                "<html>Bad Gateway</html>",
                "{}",
                "[]",
                "{\"error\":null}",
            ] {
                check(OpenAi, status, body, class);
                check(Anthropic, status, body, class);
            }
        }
    }

    #[test]
    fn an_account_without_credit_is_not_a_rate_limit() {
        let quota = r#"{"error":{"message":"You exceeded your quota","type":"insufficient_quota","code":"insufficient_quota"}}"#;
        check(OpenAi, 429, quota, Class::Quota);
        let spend = r#"{"type":"error","error":{"type":"rate_limit_error","message":"limit","details":{"error_code":"enforced_spend_limit_reached"}}}"#;
        check(Anthropic, 429, spend, Class::Quota);
        let credit = r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the API."}}"#;
        check(Anthropic, 400, credit, Class::Quota);
    }

    #[test]
    fn a_conversation_that_is_too_long_is_told_from_other_refusals() {
        let body = r#"{"error":{"message":"This model's maximum context length is 8192 tokens","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#;
        check(OpenAi, 400, body, Class::ContextLength);
        let body = r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#;
        check(Anthropic, 400, body, Class::ContextLength);
        check(
            OpenAi,
            400,
            r#"{"object":"error","message":"Input is too long"}"#,
            Class::ContextLength,
        );
    }

    #[test]
    fn a_bad_key_behind_a_400_is_the_credential_s_fault() {
        let body = r#"[{"error":{"code":400,"message":"API key not valid","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}]"#;
        check(OpenAi, 400, body, Class::Credentials);
    }

    #[test]
    fn bedrock_s_exceptions_are_told_by_their_names() {
        let bedrock = crate::dialect::Dialect::BedrockConverse;
        let class = |status, kind: &'static str| {
            let header = |name: &str| (name == "x-amzn-errortype").then_some(kind);
            classify(bedrock, status, header, br#"{"message":"m"}"#).class
        };
        let quota = "ServiceQuotaExceededException:http://internal.amazon.com/coral/";
        assert_eq!(class(400, quota), Class::RateLimited);
        assert_eq!(class(400, "ValidationException"), Class::CallerFault);
        assert_eq!(class(403, "ExpiredTokenException"), Class::Credentials);
        assert_eq!(class(424, "ModelErrorException"), Class::ServerError);
        check(
            bedrock,
            400,
            r#"{"message":"Input is too long for requested model."}"#,
            Class::ContextLength,
        );
    }

    #[test]
    fn overload_behind_a_500_or_503_is_overload() {
        let body = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
        check(Anthropic, 500, body, Class::Overloaded);
        check(
            OpenAi,
            503,
            r#"{"error":{"code":"server_is_overloaded"}}"#,
            Class::Overloaded,
        );
    }

    #[test]
    fn an_error_event_is_told_by_its_type_or_its_number() {
        let class = |body: &str| classify_event(OpenAi, &ErrorBody::read(body.as_bytes()).unwrap());
        assert_eq!(
            class(r#"{"error":{"type":"overloaded_error"}}"#),
            Class::Overloaded
        );
        assert_eq!(
            class(r#"{"error":{"code":429,"message":"slow"}}"#),
            Class::RateLimited
        );
        assert_eq!(
            class(r#"{"error":{"code":"502","message":"x"}}"#),
            Class::ServerError
        );
        assert_eq!(
            class(r#"{"error":{"type":"rate_limit_error"}}"#),
            Class::RateLimited
        );
        assert_eq!(
            class(r#"{"error":{"type":"invalid_request_error"}}"#),
            Class::CallerFault
        );
        assert_eq!(class(r#"{"error":"went wrong"}"#), Class::ServerError);
    }

    #[test]
    fn the_wait_a_provider_asks_for_is_kept() {
        let headers = |name: &str| (name == "retry-after").then_some("7");
        let fault = classify(OpenAi, 429, headers, b"");
        assert_eq!(fault.retry_after, Some(Duration::from_secs(7)));
        assert_eq!(classify(OpenAi, 400, headers, b"").retry_after, None);
        let body = br#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"retryDelay":"34.5s"}]}}"#;
        let fault = classify(OpenAi, 429, |_| None, body);
        assert_eq!(fault.retry_after, Some(Duration::from_millis(34_500)));
    }
}
