//! Citations as Anthropic writes them: a block of text for each part that has its own.

use crate::json::{Object, Text, Writer};
use crate::neutral::{Citation, Span, Unit};

/// Reads a citation of a page of the web; `None` for any other.
pub(super) fn read_citation<'a>(citation: &Object<'a>) -> Option<Citation<'a>> {
    let url = match citation.string("type")?.as_ref() {
        "web_search_result_location" => "url",
        "search_result_location" => "source",
        _ => return None,
    };
    let quote = citation
        .text("cited_text")
        .filter(|quote| !quote.is_empty());
    let read = Citation::of_web(citation, url, "title", Span::Whole)?;
    Some(Citation { quote, ..read })
}

/// Writes a text as blocks, cut where what it is from changes.
pub(super) fn write_cited(text: &Text<'_>, citations: &[Citation<'_>], out: &mut Writer) {
    let decoded = text.decoded();
    let spans: Vec<_> = citations
        .iter()
        .map(|citation| citation.span.within(&decoded, Unit::Bytes))
        .collect();
    let mut cuts: Vec<usize> = spans
        .iter()
        .flat_map(|span| [span.start, span.end])
        .collect();
    cuts.extend([0, decoded.len()]);
    cuts.sort_unstable();
    cuts.dedup();
    // Blank text is no block of its own: it would be refused when it comes back. And text that can't
    // be decoded is not cut.
    cuts.dedup_by(|end, start| {
        decoded
            .get(*start..*end)
            .is_none_or(|part| part.trim().is_empty())
    });
    if decoded.contains(char::REPLACEMENT_CHARACTER) || cuts.len() < 2 {
        write_block(text, citations, out);
        return;
    }
    for cut in cuts.windows(2) {
        let &[start, end] = cut else { continue };
        let end = if Some(&end) == cuts.last() {
            decoded.len()
        } else {
            end
        };
        let part = Text::plain(decoded.get(start..end).unwrap_or_default());
        let own = citations.iter().zip(&spans).filter(|(_, span)| {
            let both = decoded.get(span.start.max(start)..span.end.min(end));
            both.is_some_and(|both| !both.trim().is_empty())
        });
        write_block(&part, own.map(|(citation, _)| citation), out);
    }
}

fn write_block<'c>(
    text: &Text<'_>,
    citations: impl IntoIterator<Item = &'c Citation<'c>>,
    out: &mut Writer,
) {
    let mut citations = citations.into_iter().peekable();
    out.object(|out| {
        out.key("type").str("text");
        out.key("text").text(text);
        if citations.peek().is_some() {
            out.key("citations").array(|out| {
                citations.for_each(|citation| write_citation(citation, out));
            });
        }
    });
}

/// Writes a citation. It lacks Anthropic's proof of the search, which nobody else can give.
pub(super) fn write_citation(citation: &Citation<'_>, out: &mut Writer) {
    out.object(|out| {
        out.key("type").str("web_search_result_location");
        out.key("cited_text")
            .text(citation.quote.as_ref().unwrap_or(&Text::EMPTY));
        out.key("url").text(&citation.url);
        match &citation.title {
            Some(title) => out.key("title").text(title),
            None => out.key("title").null(),
        };
        out.key("encrypted_index").str("");
    });
}
