//! Citations as Cohere writes them: a span of the text, and the documents it is from.

use crate::json::{Object, objects};
use crate::neutral::{Citation, Span, Unit};

/// Reads one citation: a page of the web for each of its sources, `None` in place of any other.
pub(super) fn read_citation<'a>(citation: &Object<'a>) -> Vec<Option<Citation<'a>>> {
    // What it means to do with tools is from somewhere too, and is no part of the text.
    if citation.string("type").as_deref() == Some("PLAN") {
        return Vec::new();
    }
    let span = Span::read(citation, Unit::Chars, "start", "end");
    let sources = citation.get("sources").and_then(objects);
    let pages = sources.iter().flatten().map(|source| {
        let held = ["document", "tool_output"];
        let page = held.iter().find_map(|name| source.object(name))?;
        let quote = page.text("snippet").or_else(|| page.text("text"));
        let read = Citation::of_web(&page, "url", "title", span.clone())?;
        Some(Citation { quote, ..read })
    });
    pages.collect()
}
