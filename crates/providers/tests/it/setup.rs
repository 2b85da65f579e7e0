//! What the tests share.

use std::fs;
use std::path::Path;

use ai_gateway_providers::{
    Dialect, Encoded, Exchange, Intake, Quirks, Stamp, StreamFault, Surface, TargetTraits, encode,
    provider,
};
use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::Bytes;

pub(crate) const STAMP: Stamp<'static> = Stamp {
    created: 1_700_000_123,
    request_id: "req-1",
};

/// One side of a translation, with the model it serves in tests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side {
    pub(crate) name: &'static str,
    pub(crate) dialect: Dialect,
    pub(crate) surface: Surface,
    pub(crate) model: &'static str,
    /// The least a request can be.
    plain: &'static str,
}

pub(crate) const OPENAI: Side = Side {
    name: "openai",
    dialect: Dialect::OpenAiChat,
    surface: Surface::ChatCompletions,
    model: "gpt-4o-mini",
    plain: r#""model":"asked","stream":true,"messages":[{"role":"user","content":"Hi"}]"#,
};

pub(crate) const ANTHROPIC: Side = Side {
    name: "anthropic",
    dialect: Dialect::AnthropicMessages,
    surface: Surface::Messages,
    model: "claude-sonnet-4-5",
    plain: r#""model":"asked","max_tokens":100,"stream":true,"messages":[{"role":"user","content":"Hi"}]"#,
};

pub(crate) const GEMINI: Side = Side {
    name: "gemini",
    dialect: Dialect::GeminiGenerate,
    surface: Surface::StreamGenerateContent,
    model: "gemini-2.5-flash",
    plain: r#""contents":[{"role":"user","parts":[{"text":"Hi"}]}]"#,
};

pub(crate) const RESPONSES: Side = Side {
    name: "responses",
    dialect: Dialect::OpenAiResponses,
    surface: Surface::Responses,
    model: "gpt-4o-mini",
    plain: r#""model":"asked","stream":true,"input":"Hi""#,
};

pub(crate) const BEDROCK: Side = Side {
    name: "bedrock",
    dialect: Dialect::BedrockConverse,
    surface: Surface::Other,
    model: "anthropic.claude-sonnet-4-5-20250929-v1:0",
    plain: "",
};

pub(crate) const COHERE: Side = Side {
    name: "cohere",
    dialect: Dialect::CohereChat,
    surface: Surface::Other,
    model: "command-a-reasoning-08-2025",
    plain: "",
};

/// The dialects that clients speak, and targets too.
pub(crate) const SIDES: [Side; 4] = [OPENAI, ANTHROPIC, GEMINI, RESPONSES];

/// The dialects that targets speak.
pub(crate) const TARGETS: [Side; 6] = [OPENAI, ANTHROPIC, GEMINI, RESPONSES, BEDROCK, COHERE];

/// Reads a stream of the test data. Amazon's are written one message a line there, as its kind
/// and its payload.
pub(crate) fn read_stream(side: Side, path: &Path) -> Vec<u8> {
    let stream = fs::read(path).unwrap();
    if side.dialect != Dialect::BedrockConverse {
        return stream;
    }
    let mut bytes = Vec::new();
    for line in String::from_utf8(stream).unwrap().lines() {
        let (kind, payload) = line.split_once(' ').unwrap_or((line, ""));
        let is_exception = kind.ends_with("Exception");
        let text = |text: &str| HeaderValue::String(text.to_owned().into());
        let (message, name) = if is_exception {
            ("exception", ":exception-type")
        } else {
            ("event", ":event-type")
        };
        let message = Message::new(Bytes::copy_from_slice(payload.as_bytes()))
            .add_header(Header::new(":message-type", text(message)))
            .add_header(Header::new(name, text(kind)))
            .add_header(Header::new(":content-type", text("application/json")));
        write_message_to(&message, &mut bytes).unwrap();
    }
    bytes
}

impl Side {
    fn quirks(self) -> &'static Quirks {
        match self.dialect {
            // A provider without the Responses API, so that responses are translated for it.
            Dialect::OpenAiChat => &Quirks::NONE,
            _ => provider(self.name).map_or(&Quirks::NONE, |provider| &provider.quirks),
        }
    }

    /// Encodes a body of this side for another.
    pub(crate) fn encode(
        self,
        to: Self,
        body: &Bytes,
    ) -> Result<Encoded, ai_gateway_providers::EncodeError> {
        let intake = Intake::read(self.surface, body).unwrap();
        let to = TargetTraits {
            dialect: to.dialect,
            model: to.model,
            path: "/v1/chat/completions",
            api_version: None,
            quirks: to.quirks(),
            default_max_tokens: 4_096,
        };
        encode(&intake, body, &to, STAMP)
    }

    /// A plain streamed request of this side on its way to another.
    pub(crate) fn exchange(self, to: Self, include_usage: bool) -> Exchange {
        let usage = if include_usage {
            r#","stream_options":{"include_usage":true}"#
        } else {
            ""
        };
        let body = format!("{{{}{usage}}}", self.plain);
        self.encode(to, &body.into()).unwrap().exchange
    }
}

/// What a client gets of a stream, and how it ended.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Relayed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) fault: Option<StreamFault>,
    pub(crate) usage: ai_gateway_providers::Usage,
    pub(crate) meaningful: bool,
}

/// Relays a stream that arrives in the given chunks.
pub(crate) fn relay(
    exchange: &Exchange,
    chunks: impl IntoIterator<Item = impl AsRef<[u8]>>,
) -> Relayed {
    let mut relay = exchange.stream();
    let mut out: Vec<Bytes> = Vec::new();
    let mut result = Ok(());
    for chunk in chunks {
        result = relay.push(Bytes::copy_from_slice(chunk.as_ref()), &mut out);
        if result.is_err() {
            break;
        }
    }
    if result.is_ok() {
        result = relay.end(&mut out);
    }
    Relayed {
        bytes: out.concat(),
        fault: result.err(),
        usage: relay.usage(),
        meaningful: relay.has_meaningful_event(),
    }
}
