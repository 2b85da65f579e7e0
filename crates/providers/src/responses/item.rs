//! The items that an answer is made of.

use crate::json::{Text, Writer};

/// One item, whole or as far as it is known.
#[derive(Debug)]
pub(super) enum Item<'a> {
    Text(Text<'a>),
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
            Self::Text(_) | Self::Refusal(_) => "msg",
            Self::Thinking(_) => "rs",
            Self::Call { .. } => "fc",
        };
        format!("{kind}_{base}_{index}")
    }

    pub(super) fn write(&self, id: &str, progress: Progress, out: &mut Writer) {
        out.object(|out| {
            out.key("id").str(id);
            match self {
                Self::Text(_) | Self::Refusal(_) => {
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
            Self::Text(text) => ("output_text", "text", text),
            Self::Refusal(text) => ("refusal", "refusal", text),
            Self::Thinking(text) => ("summary_text", "text", text),
            Self::Call { .. } => return,
        };
        out.object(|out| {
            out.key("type").str(kind);
            out.key(field).text(text);
            if matches!(self, Self::Text(_)) {
                out.key("annotations").array(|_| {});
            }
        });
    }
}
