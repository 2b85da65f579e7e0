//! Content blocks.

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;

use crate::json::{Object, Sort, Text, items, parse_raw};
use crate::neutral::{Citation, Logprobs};

/// One block of content, and where in the client's request it stood.
#[derive(Clone, Debug)]
pub(crate) struct Block<'a> {
    pub(crate) place: Place,
    pub(crate) content: Content<'a>,
    /// The mark that asks for the conversation to be cached up to here.
    pub(crate) cache: Option<&'a RawValue>,
    /// How likely the tokens of an answer's text were.
    pub(crate) logprobs: Option<Logprobs<'a>>,
    /// What pages of the web an answer's text is from.
    pub(crate) citations: Vec<Citation<'a>>,
    /// A field that it has and no other dialect.
    pub(crate) unsaid: Option<&'static str>,
}

impl<'a> Block<'a> {
    pub(crate) const fn new(place: Place, content: Content<'a>) -> Self {
        Self {
            place,
            content,
            cache: None,
            logprobs: None,
            citations: Vec::new(),
            unsaid: None,
        }
    }
}

impl Block<'_> {
    /// Notes that it has `field`, when that holds anything: no other dialect has it.
    pub(crate) fn lacks(&mut self, field: &'static str, object: &Object<'_>) {
        let is_empty = |raw: &RawValue| items(raw).is_none_or(|items| items.is_empty());
        if object.get(field).is_some_and(|raw| !is_empty(raw)) {
            self.unsaid = Some(field);
        }
    }

    pub(crate) const fn is_text(&self) -> bool {
        matches!(self.content, Content::Text(_))
    }
}

/// What a block holds.
#[derive(Clone, Debug)]
pub(crate) enum Content<'a> {
    Text(Text<'a>),
    Image(Source<'a>),
    Document {
        source: Source<'a>,
        name: Option<Text<'a>>,
    },
    Audio {
        /// The part of its media type behind `audio/`.
        format: Cow<'a, str>,
        data: Cow<'a, str>,
    },
    ToolCall {
        id: Cow<'a, str>,
        name: Cow<'a, str>,
        input: Input<'a>,
    },
    ToolResult {
        id: Cow<'a, str>,
        content: Vec<Block<'a>>,
        is_error: bool,
    },
    Thinking {
        text: Text<'a>,
        signature: Option<Text<'a>>,
    },
    /// Thinking that only the provider can read.
    Redacted(Text<'a>),
    Refusal(Text<'a>),
    /// A block of a kind that has no counterpart.
    Unknown {
        kind: Cow<'a, str>,
    },
}

/// Where a picture or document is.
#[derive(Clone, Debug)]
pub(crate) enum Source<'a> {
    Base64 {
        media_type: Cow<'a, str>,
        data: Cow<'a, str>,
    },
    Url(Text<'a>),
    PlainText(Text<'a>),
    /// A file the provider keeps.
    File,
}

impl<'a> Source<'a> {
    /// Reads a URL, which may carry the data itself. `None` when it says it does and does not.
    pub(crate) fn of_url(url: Text<'a>) -> Option<Self> {
        if !url.escaped().starts_with("data:") {
            return Some(Self::Url(url));
        }
        match url.into_decoded() {
            Cow::Borrowed(url) => {
                let (media_type, data) = split_data_url(url)?;
                Some(Self::base64(Cow::Borrowed(media_type), Cow::Borrowed(data)))
            }
            Cow::Owned(url) => {
                let (media_type, data) = split_data_url(&url)?;
                Some(Self::base64(
                    Cow::Owned(media_type.to_owned()),
                    Cow::Owned(data.to_owned()),
                ))
            }
        }
    }

    pub(crate) fn base64(media_type: Cow<'a, str>, data: Cow<'a, str>) -> Self {
        let media_type = match media_type.as_ref() {
            "image/jpg" => Cow::Borrowed("image/jpeg"),
            _ => media_type,
        };
        let data = standard_base64(data);
        Self::Base64 { media_type, data }
    }
}

fn split_data_url(url: &str) -> Option<(&str, &str)> {
    let (kind, data) = url.strip_prefix("data:")?.split_once(',')?;
    let media_type = kind.strip_suffix(";base64")?;
    let media_type = media_type.split(';').next()?;
    is_base64(data).then_some((media_type, data))
}

/// Tells whether `data` is base64 as providers take it: its alphabet, and not empty.
/// Writes base64 of the alphabet for URLs in the usual one, the only one that every provider takes.
pub(crate) fn standard_base64(data: Cow<'_, str>) -> Cow<'_, str> {
    if !data.contains(['-', '_']) {
        return data;
    }
    let mut usual = data.replace('-', "+").replace('_', "/");
    while !usual.len().is_multiple_of(4) {
        usual.push('=');
    }
    Cow::Owned(usual)
}

pub(crate) fn is_base64(data: &str) -> bool {
    let body = data.trim_end_matches('=');
    !body.is_empty()
        && data.len() - body.len() <= 2
        && body
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_'))
}

/// The input of a tool call, in whichever of the two forms it was written.
#[derive(Clone, Debug)]
pub(crate) enum Input<'a> {
    /// JSON text inside a string, as OpenAI writes it; not checked.
    Quoted(Text<'a>),
    /// An object as it stands.
    Object(&'a RawValue),
}

impl Input<'_> {
    /// Returns the input as an object's JSON; `None` when it is none. No text at all is `{}`.
    pub(crate) fn object(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Object(raw) => Some(Cow::Borrowed(raw.get())),
            Self::Quoted(text) if text.is_blank() => Some(Cow::Borrowed("{}")),
            Self::Quoted(text) => {
                let text = text.decoded();
                let raw = parse_raw(&text)?;
                (Sort::of(raw) == Sort::Object).then(|| Cow::Owned(raw.get().to_owned()))
            }
        }
    }

    /// Returns the input as JSON text inside a string.
    pub(crate) fn quoted(&self) -> Text<'_> {
        match self {
            Self::Object(raw) => Text::plain(raw.get()),
            Self::Quoted(text) if text.is_blank() => Text::plain("{}"),
            Self::Quoted(text) => text.clone(),
        }
    }
}

/// Where in a request a block stands, in the words of the client's dialect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    System,
    Message(usize),
    Part(usize, usize),
    ToolCall(usize, usize),
    /// One of Google's contents.
    Content(usize),
    /// An item of an input.
    Item(usize),
    /// In an answer, where nobody is told.
    Answer,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => write!(f, "system"),
            Self::Message(message) => write!(f, "messages[{message}]"),
            Self::Part(message, part) => write!(f, "messages[{message}].content[{part}]"),
            Self::ToolCall(message, call) => {
                write!(
                    f,
                    "messages[{message}].tool_calls[{call}].function.arguments"
                )
            }
            Self::Content(content) => write!(f, "contents[{content}]"),
            Self::Item(item) => write!(f, "input[{item}]"),
            Self::Answer => write!(f, "answer"),
        }
    }
}

/// Reads the cache mark of a block or tool.
pub(crate) fn cache_mark<'a>(object: &Object<'a>) -> Option<&'a RawValue> {
    object
        .get("cache_control")
        .filter(|raw| Sort::of(raw) == Sort::Object)
}
