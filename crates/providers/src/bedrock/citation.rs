//! Citations as Bedrock writes them: a block's text, and the places it is from.

use crate::exchange::Dropped;
use crate::json::{Object, Text, objects};
use crate::neutral::{Block, Citation, Content, Place, Span};

/// Reads a block of text with citations.
pub(super) fn read_cited<'a>(cited: &Object<'a>, dropped: &mut Dropped) -> Block<'a> {
    let list = |name| cited.get(name).and_then(objects).unwrap_or_default();
    let mut texts: Vec<Text<'a>> = list("content")
        .iter()
        .filter_map(|part| part.text("text"))
        .collect();
    let text = match texts.len() {
        1 => texts.pop(),
        _ => Text::join(&texts, ""),
    };
    let content = Content::Text(text.unwrap_or(Text::EMPTY));
    let mut block = Block::new(Place::Answer, content);
    block.citations = list("citations")
        .iter()
        .filter_map(|citation| dropped.unless_some("citations", read_citation(citation)))
        .collect();
    block
}

/// Reads a citation of a page of the web; `None` for any other.
pub(super) fn read_citation<'a>(citation: &Object<'a>) -> Option<Citation<'a>> {
    let page = citation.object("location")?.object("web")?;
    let read = Citation::of_web(&page, "url", "title", Span::Whole)?;
    let words = citation.get("sourceContent").and_then(objects);
    let quote = words.iter().flatten().find_map(|part| part.text("text"));
    let title = citation.text("title").filter(|title| !title.is_empty());
    Some(Citation {
        title,
        quote,
        ..read
    })
}
