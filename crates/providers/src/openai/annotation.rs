//! Citations as both of OpenAI's dialects write them.

use serde_json::value::RawValue;

use crate::json::{Object, Text, Writer, objects};
use crate::neutral::citation::{Citation, Span, Unit};

/// How an annotation holds what it says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Form {
    /// In an object under its type's name, as in chat completions.
    Nested,
    /// By itself, as in responses.
    Flat,
}

/// Reads annotations: those of pages of the web; `None` in place of any other.
pub(crate) fn read_annotations(
    raw: &RawValue,
    form: Form,
) -> impl Iterator<Item = Option<Citation<'_>>> {
    let annotations = objects(raw).unwrap_or_default().into_iter();
    annotations.map(move |annotation| read_annotation(&annotation, form))
}

pub(crate) fn read_annotation<'a>(annotation: &Object<'a>, form: Form) -> Option<Citation<'a>> {
    if annotation.string("type").as_deref() != Some(URL_CITATION) {
        return None;
    }
    match form {
        Form::Nested => read_page(&annotation.object(URL_CITATION)?),
        Form::Flat => read_page(annotation),
    }
}

fn read_page<'a>(page: &Object<'a>) -> Option<Citation<'a>> {
    let span = Span::read(page, Unit::Chars, "start_index", "end_index");
    Citation::of_web(page, "url", "title", span)
}

/// Writes an annotation of the characters from `start` to `end`.
pub(crate) fn write_annotation(
    citation: &Citation<'_>,
    (start, end): (usize, usize),
    form: Form,
    out: &mut Writer,
) {
    let page = |out: &mut Writer| {
        out.key("start_index").number(start as u64);
        out.key("end_index").number(end as u64);
        out.key("url").text(&citation.url);
        out.key("title")
            .text(citation.title.as_ref().unwrap_or(&Text::EMPTY));
    };
    out.object(|out| {
        out.key("type").str(URL_CITATION);
        match form {
            Form::Flat => page(out),
            Form::Nested => {
                out.key(URL_CITATION).object(page);
            }
        }
    });
}

const URL_CITATION: &str = "url_citation";
