//! Citations as Google writes them: pages, and which parts of the text each supports.

use std::collections::HashMap;

use crate::json::{Object, Text, Writer, items, objects};
use crate::neutral::citation::{Citation, Span, Unit};

/// A citation, and the part of the answer whose text it is for; `None` when that is not said.
type Placed<'a> = (Option<u64>, Citation<'a>);

/// Reads where a candidate's text is from: the pages of the web, and whether there is anything else.
pub(super) fn read_grounding<'a>(candidate: &Object<'a>) -> (Vec<Placed<'a>>, bool) {
    let mut placed = Vec::new();
    let mut has_others = false;
    if let Some(grounding) = candidate.object("groundingMetadata") {
        read_supports(&grounding, &mut placed, &mut has_others);
    }
    // What was found to stand on a page word for word.
    let quoted = candidate.object("citationMetadata").unwrap_or_default();
    let quoted = quoted.get("citationSources").or(quoted.get("citations"));
    for source in quoted.and_then(objects).unwrap_or_default() {
        let span = Span::read(&source, Unit::Bytes, "startIndex", "endIndex");
        match Citation::of_web(&source, "uri", "title", span) {
            Some(citation) => placed.push((None, citation)),
            None => has_others = true,
        }
    }
    (placed, has_others)
}

fn read_supports<'a>(grounding: &Object<'a>, placed: &mut Vec<Placed<'a>>, has_others: &mut bool) {
    let list = |name| grounding.get(name).and_then(objects).unwrap_or_default();
    let pages: Vec<_> = list("groundingChunks").iter().map(read_page).collect();
    *has_others |= pages.iter().any(Option::is_none);
    let mut is_supporting = vec![false; pages.len()];
    for support in list("groundingSupports") {
        let segment = support.object("segment").unwrap_or_default();
        let span = Span::read(&segment, Unit::Bytes, "startIndex", "endIndex");
        let part = segment.number("partIndex");
        let indices = support.get("groundingChunkIndices").and_then(items);
        for index in indices.unwrap_or_default() {
            let index = index.get().parse::<usize>().unwrap_or(usize::MAX);
            let Some(Some(page)) = pages.get(index) else {
                continue;
            };
            if let Some(supports) = is_supporting.get_mut(index) {
                *supports = true;
            }
            let span = span.clone();
            placed.push((
                part,
                Citation {
                    span,
                    ..page.clone()
                },
            ));
        }
    }
    // Pages that were found and are not said to support anything.
    let idle = pages.into_iter().zip(is_supporting);
    placed.extend(idle.filter_map(|(page, supports)| Some((None, page.filter(|_| !supports)?))));
}

fn read_page<'a>(chunk: &Object<'a>) -> Option<Citation<'a>> {
    let kinds = ["web", "retrievedContext", "maps"];
    let source = kinds.iter().find_map(|kind| chunk.object(kind))?;
    Citation::of_web(&source, "uri", "title", Span::Whole)
}

/// A citation on its way to a client: which part it is for, and which bytes of its text.
pub(super) struct Support<'c> {
    pub(super) part: usize,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) citation: &'c Citation<'c>,
}

/// Writes where a text is from, each page once; nothing for no citations.
pub(super) fn write_grounding(supports: &[Support<'_>], out: &mut Writer) {
    if supports.is_empty() {
        return;
    }
    let mut pages: Vec<&Citation<'_>> = Vec::new();
    let mut known = HashMap::new();
    let mut places = Vec::with_capacity(supports.len());
    for support in supports {
        let Citation { url, title, .. } = support.citation;
        let page = (url.literal(), title.as_ref().map(Text::literal));
        places.push(*known.entry(page).or_insert(pages.len()));
        if known.len() > pages.len() {
            pages.push(support.citation);
        }
    }
    out.key("groundingMetadata").object(|out| {
        out.key("groundingChunks")
            .array(|out| pages.iter().for_each(|page| write_page(page, out)));
        out.key("groundingSupports").array(|out| {
            for (support, page) in supports.iter().zip(places) {
                out.object(|out| support.write(page, out));
            }
        });
    });
}

fn write_page(page: &Citation<'_>, out: &mut Writer) {
    out.object(|out| {
        out.key("web").object(|out| {
            out.key("uri").text(&page.url);
            out.key("title")
                .text(page.title.as_ref().unwrap_or(&Text::EMPTY));
        });
    });
}

impl<'c> Support<'c> {
    /// Of a citation whose span is of all the answer's text.
    pub(super) fn of_all(citation: &'c Citation<'c>) -> Option<Self> {
        match &citation.span {
            Span::Bytes(span) => Some(Self {
                part: 0,
                start: span.start,
                end: span.end,
                citation,
            }),
            Span::Whole | Span::Chars(_) => None,
        }
    }

    fn write(&self, page: usize, out: &mut Writer) {
        out.key("segment").object(|out| {
            if self.part > 0 {
                out.key("partIndex").number(self.part as u64);
            }
            out.key("startIndex").number(self.start as u64);
            out.key("endIndex").number(self.end as u64);
        });
        out.key("groundingChunkIndices").array(|out| {
            out.number(page as u64);
        });
    }
}
