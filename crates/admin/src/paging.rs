//! Long lists in pages.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    call::Call,
    problem::{Code, Problem},
    reply::Reply,
};

/// Which part of a list a caller asks for.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Page {
    limit: usize,
    from: From,
}

#[derive(Debug, Eq, PartialEq)]
enum From {
    /// The items after this id.
    After(Uuid),
    /// The items but the first so many.
    Offset(usize),
}

impl Page {
    pub(crate) fn of(call: &Call<'_>) -> Result<Self, Problem> {
        let mut page = Self {
            limit: DEFAULT_LIMIT,
            from: From::Offset(0),
        };
        let wrong = |name: &str, wanted: &str| {
            Problem::new(Code::InvalidParameter, format!("{name} must be {wanted}"))
        };
        let query = call.query(&["limit", "cursor", "offset"])?;
        for (name, value) in &query {
            match name.as_str() {
                "limit" => {
                    let limit = value.parse().ok();
                    page.limit = limit
                        .filter(|limit| (1..=MAX_LIMIT).contains(limit))
                        .ok_or_else(|| wrong(name, "a number from 1 to 100"))?;
                }
                "cursor" => {
                    let after = read_cursor(value)
                        .ok_or_else(|| wrong(name, "the next_cursor of an answer"))?;
                    page.from = From::After(after);
                }
                _ => {
                    let skipped = value.parse().map_err(|_| wrong(name, "a whole number"))?;
                    page.from = From::Offset(skipped);
                }
            }
        }
        if query.iter().any(|(name, _)| name == "cursor")
            && query.iter().any(|(name, _)| name == "offset")
        {
            return Err(wrong("offset", "left out beside cursor"));
        }
        Ok(page)
    }

    /// Cuts the page out of `items`, which are in the order of their ids.
    pub(crate) fn cut<T>(
        &self,
        call: &Call<'_>,
        items: impl Iterator<Item = T>,
        id: impl Fn(&T) -> Uuid,
        view: impl Fn(&T) -> Value,
    ) -> Reply {
        let skipped = match self.from {
            From::After(_) => 0,
            From::Offset(count) => count,
        };
        let mut rest = items
            .filter(|item| match self.from {
                From::After(after) => id(item) > after,
                From::Offset(_) => true,
            })
            .skip(skipped)
            .peekable();
        let mut page = Vec::new();
        let mut last = None;
        while page.len() < self.limit
            && let Some(item) = rest.next()
        {
            last = Some(id(&item));
            page.push(view(&item));
        }
        let has_more = rest.peek().is_some();
        let cursor = last
            .filter(|_| has_more)
            .map(|last| URL_SAFE_NO_PAD.encode(last.as_bytes()));
        let next = cursor
            .as_ref()
            .map(|cursor| format!("{}?limit={}&cursor={cursor}", call.uri.path(), self.limit));
        let mut reply = Reply::json(json!({ "items": page, "next_cursor": cursor }));
        reply.next = next;
        reply
    }
}

fn read_cursor(text: &str) -> Option<Uuid> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    Uuid::from_slice(&bytes).ok()
}

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 100;
