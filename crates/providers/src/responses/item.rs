//! The items that an answer is made of.

use crate::json::{Text, Writer};
use crate::neutral::{Citation, Logprobs};
use crate::openai::annotation::{Form, write_annotation};

/// What is said of a text beside it: items of arrays, as they are written.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    logprobs: Writer,
    annotations: Writer,
    annotation_count: u64,
}

impl Notes {
    pub(super) fn add_logprobs(&mut self, logprobs: Option<Logprobs<'_>>) {
        if let Some(logprobs) = logprobs {
            logprobs.write_listed(&mut self.logprobs);
        }
    }

    /// Adds a citation for a span of the text's characters, and hands it out as it is written, with
    /// its place among them.
    pub(super) fn add_citation(
        &mut self,
        citation: &Citation<'_>,
        span: (usize, usize),
    ) -> (u64, String) {
        let mut annotation = Writer::default();
        write_annotation(citation, span, Form::Flat, &mut annotation);
        self.annotations.verbatim(annotation.as_str());
        let index = self.annotation_count;
        self.annotation_count += 1;
        (index, annotation.into_string())
    }

    /// How many bytes are kept.
    pub(super) const fn len(&self) -> usize {
        self.logprobs.len() + self.annotations.len()
    }

    /// Writes the arrays into a part that is open.
    fn write(&self, out: &mut Writer) {
        out.key("annotations").array(|out| {
            out.frame(self.annotations.as_str());
        });
        self.write_logprobs(out);
    }

    /// Writes how likely the text's tokens were, where that is known.
    pub(super) fn write_logprobs(&self, out: &mut Writer) {
        if !self.logprobs.is_empty() {
            out.key("logprobs").array(|out| {
                out.verbatim(self.logprobs.as_str());
            });
        }
    }
}

/// One item, whole or as far as it is known.
#[derive(Debug)]
pub(super) enum Item<'a> {
    Text(Text<'a>, &'a Notes),
    Refusal(Text<'a>),
    Thinking(Text<'a>),
    Call {
        id: &'a str,
        name: &'a str,
        arguments: Text<'a>,
    },
}

/// Whether an item goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Progress {
    /// It has begun, and nothing is in it.
    Begun,
    Done,
}

impl Progress {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "in_progress",
            Self::Done => "completed",
        }
    }
}

impl Item<'_> {
    /// The identifier of the item at `index` of the answer with the identifier `base`.
    pub(super) fn id(&self, base: &str, index: usize) -> String {
        let kind = match self {
            Self::Text(..) | Self::Refusal(_) => "msg",
            Self::Thinking(_) => "rs",
            Self::Call { .. } => "fc",
        };
        format!("{kind}_{base}_{index}")
    }

    pub(super) fn write(&self, id: &str, progress: Progress, out: &mut Writer) {
        out.object(|out| {
            out.key("id").str(id);
            match self {
                Self::Text(..) | Self::Refusal(_) => {
                    out.key("type").str("message");
                    out.key("status").str(progress.as_str());
                    out.key("role").str("assistant");
                    out.key("content")
                        .array(|out| self.write_parts(progress, out));
                }
                Self::Thinking(_) => {
                    out.key("type").str("reasoning");
                    out.key("summary")
                        .array(|out| self.write_parts(progress, out));
                }
                Self::Call {
                    id,
                    name,
                    arguments,
                } => {
                    out.key("type").str("function_call");
                    out.key("status").str(progress.as_str());
                    out.key("call_id").str(id);
                    out.key("name").str(name);
                    out.key("arguments").text(arguments);
                }
            }
        });
    }

    fn write_parts(&self, progress: Progress, out: &mut Writer) {
        if progress == Progress::Done {
            self.write_part(out);
        }
    }

    /// Writes what the item holds as a part of it; calls have no parts.
    pub(super) fn write_part(&self, out: &mut Writer) {
        let (kind, field, text) = match self {
            Self::Text(text, _) => ("output_text", "text", text),
            Self::Refusal(text) => ("refusal", "refusal", text),
            Self::Thinking(text) => ("summary_text", "text", text),
            Self::Call { .. } => return,
        };
        out.object(|out| {
            out.key("type").str(kind);
            out.key(field).text(text);
            if let Self::Text(_, notes) = self {
                notes.write(out);
            }
        });
    }
}
