//! How likely the tokens of an answer were.

use serde_json::value::RawValue;

use crate::exchange::Dropped;
use crate::json::{Object, Sort, Text, Writer, objects};

/// That the answer is to say how likely its tokens were, in the client's own words.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AskedLogprobs {
    /// The field that asks for it.
    pub(crate) asked_by: Option<&'static str>,
    /// How many alternatives to each token, and the field that says so.
    pub(crate) top: Option<(&'static str, u64)>,
}

impl AskedLogprobs {
    /// Lists what was asked for as left out.
    pub(crate) fn note(self, dropped: &mut Dropped) {
        let names = [self.asked_by, self.top.map(|(name, _)| name)];
        for name in names.into_iter().flatten() {
            dropped.note(name);
        }
    }
}

/// The tokens of a piece of text and how likely each was, as the provider wrote them. What is not
/// of the form that the dialect gives it counts for nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Logprobs<'a> {
    /// As in both of OpenAI's dialects: a token after the other, with its alternatives.
    Listed(&'a RawValue),
    /// As in Google's: the tokens that were chosen, and beside them what each was chosen from.
    Result(&'a RawValue),
}

/// A token that was chosen, and what it was chosen from.
struct Scored<'a> {
    chosen: Token<'a>,
    top: Vec<Token<'a>>,
}

struct Token<'a> {
    text: Text<'a>,
    logprob: &'a RawValue,
    bytes: Bytes<'a>,
}

/// A token's bytes, which need not be text.
enum Bytes<'a> {
    Given(&'a RawValue),
    /// Those of its text, which is all of it.
    OfText,
    Unknown,
}

impl<'a> Logprobs<'a> {
    /// Takes a list, unless it is empty.
    pub(crate) fn listed(raw: &'a RawValue) -> Option<Self> {
        let is_filled = Sort::of(raw) == Sort::Array && objects(raw).is_some_and(|l| !l.is_empty());
        is_filled.then_some(Self::Listed(raw))
    }

    fn scored(self) -> Vec<Scored<'a>> {
        match self {
            Self::Listed(raw) => objects(raw)
                .unwrap_or_default()
                .iter()
                .filter_map(|object| {
                    let top = object.get("top_logprobs").and_then(objects);
                    let top = top.unwrap_or_default();
                    Some(Scored {
                        chosen: listed_token(object)?,
                        top: top.iter().filter_map(listed_token).collect(),
                    })
                })
                .collect(),
            Self::Result(raw) => {
                let result = Object::of(raw).unwrap_or_default();
                let list = |name| result.get(name).and_then(objects).unwrap_or_default();
                let mut top = list("topCandidates").into_iter();
                list("chosenCandidates")
                    .iter()
                    .filter_map(|chosen| {
                        let beside = top.next().unwrap_or_default();
                        let beside = beside.get("candidates").and_then(objects);
                        let beside = beside.unwrap_or_default();
                        Some(Scored {
                            chosen: result_token(chosen)?,
                            top: beside.iter().filter_map(result_token).collect(),
                        })
                    })
                    .collect()
            }
        }
    }

    /// Writes the tokens as items of an array that is open, as OpenAI's dialects have them.
    pub(crate) fn write_listed(self, out: &mut Writer) {
        for scored in self.scored() {
            out.object(|out| {
                scored.chosen.write_listed(out);
                out.key("top_logprobs");
                write_all(&scored.top, Token::write_listed, out);
            });
        }
    }

    /// Writes several pieces' as one result, as Google's dialect has it; nothing for none.
    pub(crate) fn write_result(pieces: &[Self], out: &mut Writer) {
        let scored: Vec<_> = pieces.iter().flat_map(|piece| piece.scored()).collect();
        if scored.is_empty() {
            return;
        }
        out.key("logprobsResult").object(|out| {
            if scored.iter().any(|scored| !scored.top.is_empty()) {
                out.key("topCandidates").array(|out| {
                    scored.iter().for_each(|scored| scored.write_top(out));
                });
            }
            let chosen = scored.iter().map(|scored| &scored.chosen);
            write_all(chosen, Token::write_result, out.key("chosenCandidates"));
        });
    }
}

impl Scored<'_> {
    /// Writes what the token was chosen from, as Google's dialect has it.
    fn write_top(&self, out: &mut Writer) {
        out.object(|out| write_all(&self.top, Token::write_result, out.key("candidates")));
    }
}

/// Writes tokens as an array of objects, whose fields `write` knows.
fn write_all<'t, 'a: 't>(
    tokens: impl IntoIterator<Item = &'t Token<'a>>,
    write: impl Fn(&Token<'a>, &mut Writer),
    out: &mut Writer,
) {
    out.array(|out| {
        for token in tokens {
            out.object(|out| write(token, out));
        }
    });
}

fn listed_token<'a>(object: &Object<'a>) -> Option<Token<'a>> {
    let bytes = object
        .get("bytes")
        .filter(|raw| Sort::of(raw) == Sort::Array);
    Some(Token {
        text: object.text("token")?,
        logprob: number(object, "logprob")?,
        bytes: bytes.map_or(Bytes::Unknown, Bytes::Given),
    })
}

fn result_token<'a>(object: &Object<'a>) -> Option<Token<'a>> {
    Some(Token {
        text: object.text("token")?,
        logprob: number(object, "logProbability")?,
        bytes: Bytes::OfText,
    })
}

fn number<'a>(object: &Object<'a>, name: &str) -> Option<&'a RawValue> {
    object.get(name).filter(|raw| Sort::of(raw) == Sort::Number)
}

impl Token<'_> {
    fn write_listed(&self, out: &mut Writer) {
        out.key("token").text(&self.text);
        out.key("logprob").raw(self.logprob);
        match self.bytes {
            Bytes::Given(bytes) => out.key("bytes").raw(bytes),
            Bytes::OfText => out.key("bytes").array(|out| {
                for byte in self.text.decoded().bytes() {
                    out.number(byte.into());
                }
            }),
            Bytes::Unknown => out.key("bytes").null(),
        };
    }

    fn write_result(&self, out: &mut Writer) {
        out.key("token").text(&self.text);
        out.key("logProbability").raw(self.logprob);
    }
}
