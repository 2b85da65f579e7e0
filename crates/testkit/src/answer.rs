//! What a stand-in says, before a dialect puts it into words of its own.

use serde_json::{Map, Value, json};

/// A request, as far as the answer depends on it.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) model: String,
    pub(crate) is_stream: bool,
    /// Whether a stream is to end with its usage; Anthropic's always does.
    pub(crate) wants_usage: bool,
    /// The text of the last message that a person wrote.
    pub(crate) question: String,
    /// The text of the tool results since then.
    pub(crate) tool_results: Vec<String>,
    /// The beginning of the answer, where the conversation ends in one.
    pub(crate) begun: Option<String>,
    pub(crate) images: usize,
    pub(crate) input_tokens: u64,
    /// Those of them that are read from a cache.
    pub(crate) cached_tokens: u64,
    pub(crate) tools: Vec<Tool>,
    pub(crate) tool_choice: ToolChoice,
    pub(crate) max_tokens: Option<u64>,
    /// The most tools that may be called at a time.
    pub(crate) most_calls: Option<usize>,
    /// Whether it is to think first, and to show it.
    pub(crate) thinking: Thinking,
    /// The schema that the answer has to follow, if it has to be JSON.
    pub(crate) json_schema: Option<Value>,
}

/// Whether a model thinks before it answers, and shows what it thought.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Thinking {
    #[default]
    None,
    /// It is counted, and not shown.
    Hidden,
    Shown,
}

#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) schema: Value,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) enum ToolChoice {
    #[default]
    Auto,
    None,
    Required,
    Named(String),
}

/// The answer to a request.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    /// What it thought before, in pieces of one token; empty unless it was asked to, and shows it.
    pub(crate) thinking: Vec<String>,
    pub(crate) thinking_tokens: u64,
    pub(crate) content: Content,
    pub(crate) stop: Stop,
    pub(crate) input_tokens: u64,
    /// Those of them that were read from a cache.
    pub(crate) cached_tokens: u64,
    /// Tokens of the content and of the thinking.
    pub(crate) output_tokens: u64,
}

impl Answer {
    /// What it thought, whole.
    pub(crate) fn thoughts(&self) -> String {
        self.thinking.concat()
    }
}

#[derive(Debug, PartialEq)]
pub(crate) enum Content {
    /// A text, cut where a stream is to cut it; one piece is one token.
    Text(Vec<String>),
    Tools(Vec<ToolCall>),
}

#[derive(Debug, PartialEq)]
pub(crate) struct ToolCall {
    pub(crate) name: String,
    pub(crate) arguments: Value,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stop {
    End,
    Length,
    Tools,
}

impl Asked {
    /// Adds a text of the conversation to what counts as input.
    pub(crate) fn count_input(&mut self, text: &str) {
        self.input_tokens += count_tokens(text);
    }

    /// Adds instructions to what counts as input. Those with the word "cached" come from a cache, so
    /// that a test can see how such tokens are counted.
    pub(crate) fn count_instructions(&mut self, text: &str) {
        self.count_input(text);
        if text.contains("cached") {
            self.cached_tokens += count_tokens(text);
        }
    }

    /// Answers for the stand-in called `name`, or as `say` has it.
    ///
    /// With tools on offer and no result yet it calls those that the question names, else the first.
    pub(crate) fn answer(&self, name: &str, say: Option<&str>) -> Answer {
        let calls = if say.is_some() {
            Vec::new()
        } else {
            self.tool_calls()
        };
        let mut answer = if calls.is_empty() {
            self.text_answer(name, say)
        } else {
            self.tools_answer(calls)
        };
        if self.thinking != Thinking::None {
            let thoughts = pieces_of(&format!("{name} thinks about: {}", self.question));
            answer.thinking_tokens = thoughts.len() as u64;
            answer.output_tokens += answer.thinking_tokens;
            if self.thinking == Thinking::Shown {
                answer.thinking = thoughts;
            }
        }
        answer
    }

    fn tools_answer(&self, calls: Vec<ToolCall>) -> Answer {
        let output_tokens = calls
            .iter()
            .map(|call| 1 + count_tokens(&call.arguments.to_string()))
            .sum();
        Answer {
            thinking: Vec::new(),
            thinking_tokens: 0,
            content: Content::Tools(calls),
            stop: Stop::Tools,
            input_tokens: self.input_tokens,
            cached_tokens: self.cached_tokens,
            output_tokens,
        }
    }

    fn text_answer(&self, name: &str, say: Option<&str>) -> Answer {
        // It goes on as whoever began.
        let begun = self.begun.as_deref().unwrap_or_default();
        let name = begun.split_once(" stand-in").map_or(name, |(name, _)| name);
        let text = match (say, &self.json_schema) {
            (Some(say), _) => say.to_owned(),
            (None, Some(schema)) => sample_of(schema).to_string(),
            (None, None) => self.introduction(name),
        };
        let text = text.strip_prefix(begun).unwrap_or(&text);
        let mut pieces = pieces_of(text);
        let limit = self
            .max_tokens
            .and_then(|limit| usize::try_from(limit).ok());
        let stop = match limit {
            Some(limit) if limit < pieces.len() => {
                pieces.truncate(limit);
                Stop::Length
            }
            _ => Stop::End,
        };
        let output_tokens = pieces.len() as u64;
        Answer {
            thinking: Vec::new(),
            thinking_tokens: 0,
            content: Content::Text(pieces),
            stop,
            input_tokens: self.input_tokens,
            cached_tokens: self.cached_tokens,
            output_tokens,
        }
    }

    fn introduction(&self, name: &str) -> String {
        let mut text = format!("{name} stand-in here, serving {}.", self.model);
        match self.images {
            0 => {}
            1 => text.push_str(" I see 1 image."),
            more => text.push_str(&format!(" I see {more} images.")),
        }
        text.push_str(&format!(" You said: {}", self.question));
        for result in &self.tool_results {
            text.push_str(&format!(" The tool said: {result}"));
        }
        text
    }

    fn tool_calls(&self) -> Vec<ToolCall> {
        let named: Vec<&Tool> = match &self.tool_choice {
            ToolChoice::None => return Vec::new(),
            ToolChoice::Named(name) => self
                .tools
                .iter()
                .filter(|tool| tool.name == *name)
                .collect(),
            ToolChoice::Auto | ToolChoice::Required if !self.tool_results.is_empty() => {
                return Vec::new();
            }
            ToolChoice::Auto | ToolChoice::Required => self
                .tools
                .iter()
                .filter(|tool| self.question.contains(&tool.name))
                .collect(),
        };
        let chosen = if named.is_empty() {
            self.tools.iter().take(1).collect()
        } else {
            named
        };
        let call = |tool: &Tool| ToolCall {
            name: tool.name.clone(),
            arguments: sample_of(&tool.schema),
        };
        let most = self.most_calls.unwrap_or(usize::MAX);
        chosen.into_iter().take(most).map(call).collect()
    }
}

/// Tokens of a text, as stand-ins count them: its words.
pub(crate) fn count_tokens(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

/// The text in pieces of one word with the space before it, as models stream.
fn pieces_of(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut in_word = false;
    for character in text.chars() {
        let starts_piece = pieces.is_empty() || (in_word && character.is_whitespace());
        in_word = !character.is_whitespace();
        match pieces.last_mut() {
            Some(piece) if !starts_piece => piece.push(character),
            _ => pieces.push(character.to_string()),
        }
    }
    pieces
}

/// A value that a JSON Schema allows, the same every time.
fn sample_of(schema: &Value) -> Value {
    if let Some(first) = schema.get("enum").and_then(|values| values.get(0)) {
        return first.clone();
    }
    if let Some(only) = schema.get("const") {
        return only.clone();
    }
    if let Some(first) = schema.get("anyOf").and_then(|choices| choices.get(0)) {
        return sample_of(first);
    }
    let kind = schema
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or("object");
    match kind.to_ascii_lowercase().as_str() {
        "string" => json!("sample"),
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        "boolean" => json!(true),
        "array" => schema
            .get("items")
            .map_or_else(|| json!([]), |items| json!([sample_of(items)])),
        "null" => Value::Null,
        _ => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let sample = |(name, schema): (&String, &Value)| (name.clone(), sample_of(schema));
            Value::Object(properties.map_or_else(Map::new, |all| all.iter().map(sample).collect()))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Answer, Asked, Content, Stop, Tool, ToolCall, ToolChoice, pieces_of, sample_of};

    fn asked(question: &str, tools: &[&str]) -> Asked {
        let tool = |name: &&str| Tool {
            name: (*name).to_owned(),
            schema: json!({"type": "object", "properties": {"city": {"type": "string"}}}),
        };
        Asked {
            model: "m".into(),
            question: question.into(),
            tools: tools.iter().map(tool).collect(),
            ..Asked::default()
        }
    }

    #[track_caller]
    fn check_calls(asked: &Asked, expected: &[&str]) {
        let names: Vec<String> = match asked.answer("x", None).content {
            Content::Text(_) => Vec::new(),
            Content::Tools(calls) => calls.into_iter().map(|call: ToolCall| call.name).collect(),
        };
        assert_eq!(names, expected);
    }

    #[test]
    fn pieces_are_words_that_join_to_the_text() {
        let text = "  one two\n three ";
        assert_eq!(pieces_of("one two"), ["one", " two"]);
        assert_eq!(pieces_of(text).concat(), text);
    }

    #[test]
    fn an_answer_longer_than_the_limit_stops_for_its_length() {
        let asked = Asked {
            max_tokens: Some(2),
            ..asked("hi", &[])
        };
        let Answer {
            content,
            stop,
            output_tokens,
            ..
        } = asked.answer("x", Some("a b c"));
        assert_eq!(content, Content::Text(vec!["a".into(), " b".into()]));
        assert_eq!((stop, output_tokens), (Stop::Length, 2));
    }

    #[test]
    fn tools_are_called_by_name_else_the_first() {
        check_calls(&asked("what now?", &["a_tool", "b_tool"]), &["a_tool"]);
        check_calls(
            &asked("b_tool and a_tool!", &["a_tool", "b_tool"]),
            &["a_tool", "b_tool"],
        );
        let named = ToolChoice::Named("b_tool".into());
        check_calls(
            &Asked {
                tool_choice: named,
                ..asked("", &["a_tool", "b_tool"])
            },
            &["b_tool"],
        );
        check_calls(
            &Asked {
                tool_choice: ToolChoice::None,
                ..asked("", &["a_tool"])
            },
            &[],
        );
        check_calls(
            &Asked {
                tool_results: vec!["5".into()],
                ..asked("", &["a_tool"])
            },
            &[],
        );
    }

    #[test]
    fn a_sample_follows_its_schema() {
        let schema = json!({"type": "object", "properties": {
            "unit": {"type": "string", "enum": ["C", "F"]},
            "days": {"type": "integer", "minimum": 3},
            "tags": {"type": "array", "items": {"type": "boolean"}},
        }});
        assert_eq!(
            sample_of(&schema),
            json!({"unit": "C", "days": 3, "tags": [true]})
        );
    }
}
