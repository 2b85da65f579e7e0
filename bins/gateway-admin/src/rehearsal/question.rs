//! What clients ask, and whether what they get is an answer.

use serde_json::{Value, json};

/// The dialect that a client speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Tongue {
    /// OpenAI's chat completions.
    OpenAi,
    /// Anthropic's messages.
    Anthropic,
}

/// One request of a client.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) tongue: Tongue,
    pub(crate) is_stream: bool,
    pub(crate) model: Option<String>,
}

/// Why a client got no answer.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Wrong {
    /// The gateway said so, with this status.
    Status(u16),
    /// The stream began and ended with an error event.
    ErrorEvent,
    /// The connection broke.
    Broken,
    /// Nothing came for as long as the client waits, or until the rehearsal ended.
    Silence,
    /// It ended as if it were whole and is not: the one thing that must never happen.
    LooksWhole,
}

impl Wrong {
    /// Names it for people.
    pub(crate) fn label(self) -> String {
        match self {
            Self::Status(status) => format!("answered {status}"),
            Self::ErrorEvent => "ended in an error event".to_owned(),
            Self::Broken => "broke off".to_owned(),
            Self::Silence => "never answered".to_owned(),
            Self::LooksWhole => "were cut short and looked whole".to_owned(),
        }
    }

    /// Names it for programs.
    pub(crate) fn code(self) -> String {
        match self {
            Self::Status(status) => status.to_string(),
            Self::ErrorEvent => "error_event".to_owned(),
            Self::Broken => "broken".to_owned(),
            Self::Silence => "no_answer".to_owned(),
            Self::LooksWhole => "truncated".to_owned(),
        }
    }
}

impl Question {
    pub(crate) fn path(&self) -> &'static str {
        match self.tongue {
            Tongue::Anthropic => "/v1/messages",
            Tongue::OpenAi => "/v1/chat/completions",
        }
    }

    pub(crate) fn body(&self) -> Value {
        let mut body = json!({
            "messages": [{ "role": "user", "content": "This is a rehearsal. Say a few words." }],
            "max_tokens": 64,
            "stream": self.is_stream,
        });
        if let (Some(model), Some(body)) = (&self.model, body.as_object_mut()) {
            body.insert("model".to_owned(), model.as_str().into());
        }
        body
    }

    /// Judges the whole body of an answer with status 200.
    pub(crate) fn judge(&self, body: &[u8]) -> Result<(), Wrong> {
        if self.is_stream {
            self.judge_stream(&String::from_utf8_lossy(body))
        } else {
            let answer: Value = serde_json::from_slice(body).unwrap_or_default();
            let said = match self.tongue {
                Tongue::Anthropic => answer.pointer("/content/0/text"),
                Tongue::OpenAi => answer.pointer("/choices/0/message/content"),
            };
            said.and_then(Value::as_str)
                .map(drop)
                .ok_or(Wrong::LooksWhole)
        }
    }

    fn judge_stream(&self, body: &str) -> Result<(), Wrong> {
        let mut is_whole = false;
        for data in body.lines().filter_map(|line| line.strip_prefix("data: ")) {
            let event: Value = match (data, serde_json::from_str(data)) {
                (_, Ok(event)) => event,
                ("[DONE]", Err(_)) => continue,
                (_, Err(_)) => return Err(Wrong::LooksWhole),
            };
            if event.get("error").is_some_and(|error| !error.is_null()) {
                return Err(Wrong::ErrorEvent);
            }
            is_whole |= match self.tongue {
                Tongue::Anthropic => event.get("type").is_some_and(|it| it == "message_stop"),
                Tongue::OpenAi => event
                    .pointer("/choices/0/finish_reason")
                    .is_some_and(Value::is_string),
            };
        }
        if is_whole {
            Ok(())
        } else {
            Err(Wrong::LooksWhole)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(tongue: Tongue, body: &str, expected: Result<(), Wrong>) {
        let question = Question {
            tongue,
            is_stream: !body.starts_with('{'),
            model: None,
        };
        assert_eq!(question.judge(body.as_bytes()), expected, "{body}");
    }

    #[test]
    fn an_answer_is_whole_when_its_dialect_says_so() {
        let openai = |body: &str, expected| check(Tongue::OpenAi, body, expected);
        openai(r#"{"choices": [{"message": {"content": "hi"}}]}"#, Ok(()));
        openai(r#"{"choices": ["#, Err(Wrong::LooksWhole));
        let stop = r#"data: {"choices": [{"finish_reason": "stop"}]}"#;
        openai(&format!("{stop}\n\ndata: [DONE]\n\n"), Ok(()));
        openai(
            "data: {\"choices\": [{\"delta\": {}}]}\n\n",
            Err(Wrong::LooksWhole),
        );
        openai(
            "data: {\"error\": {\"message\": \"x\"}}\n\n",
            Err(Wrong::ErrorEvent),
        );
        openai("data: {\"choi\n\n", Err(Wrong::LooksWhole));
        let anthropic = |body: &str, expected| check(Tongue::Anthropic, body, expected);
        anthropic(r#"{"content": [{"text": "hi"}]}"#, Ok(()));
        anthropic(
            "event: message_stop\ndata: {\"type\": \"message_stop\"}\n\n",
            Ok(()),
        );
        anthropic(
            "event: error\ndata: {\"type\": \"error\", \"error\": {}}\n\n",
            Err(Wrong::ErrorEvent),
        );
    }
}
