//! What the rest of an answer repeats of its beginning.

use crate::json::Text;
use crate::neutral::Event;

/// Leaves out of the rest of an answer what the client has already.
///
/// Some targets repeat the beginning they were given. None was given the white space at its end,
/// and most begin with it then.
#[derive(Clone, Debug)]
pub(crate) struct Splice {
    /// What is still to be repeated, if it is.
    echo: String,
    /// How much of it was.
    repeated: usize,
    /// The white space that the client has.
    space: String,
    is_over: bool,
}

impl Splice {
    /// `echo` may be repeated, and `space` after it.
    pub(crate) fn new(echo: &str, space: &str) -> Self {
        Self {
            echo: echo.to_owned(),
            repeated: 0,
            space: space.to_owned(),
            is_over: echo.is_empty() && space.is_empty(),
        }
    }

    /// What is left of an event, and what was taken for a repetition and is none.
    pub(crate) fn take<'a>(
        &mut self,
        event: Event<'a>,
    ) -> (Option<Event<'static>>, Option<Event<'a>>) {
        if self.is_over {
            return (None, Some(event));
        }
        match event {
            Event::Text(text) => (self.text(&text.decoded()), None),
            Event::Begin { .. } | Event::TextPart | Event::Usage(_) => (None, Some(event)),
            event => (self.held(), Some(event)),
        }
    }

    fn text(&mut self, piece: &str) -> Option<Event<'static>> {
        let expected = self.echo.get(self.repeated..).unwrap_or_default();
        let mut rest = piece;
        if !expected.is_empty() {
            if expected.starts_with(piece) {
                self.repeated += piece.len();
                return None;
            }
            match piece.strip_prefix(expected) {
                Some(after) => {
                    self.repeated = self.echo.len();
                    rest = after;
                }
                None => {
                    let held = self.echo.get(..self.repeated).unwrap_or_default();
                    let text = [held, piece].concat();
                    self.repeated = 0;
                    self.echo.clear();
                    return self.behind_space(&text);
                }
            }
        }
        self.behind_space(rest)
    }

    /// What of `text` is behind the white space that the client has.
    fn behind_space(&mut self, text: &str) -> Option<Event<'static>> {
        let mut rest = text;
        while let Some(space) = self.space.chars().next()
            && let Some(after) = rest.strip_prefix(space)
        {
            rest = after;
            self.space.drain(..space.len_utf8());
        }
        if !rest.is_empty() {
            self.is_over = true;
        }
        (!rest.is_empty()).then(|| Event::Text(Text::plain(rest)))
    }

    /// What was held back as the beginning of a repetition that is over now.
    fn held(&mut self) -> Option<Event<'static>> {
        let is_whole = self.repeated == self.echo.len();
        self.is_over = true;
        if is_whole {
            return None;
        }
        let held = self
            .echo
            .get(..self.repeated)
            .unwrap_or_default()
            .to_owned();
        self.behind_space(&held)
    }
}

#[cfg(test)]
mod tests {
    use super::Splice;
    use crate::json::Text;
    use crate::neutral::{Event, Stop};

    fn spliced(echo: &str, space: &str, pieces: &[&str]) -> String {
        let mut splice = Splice::new(echo, space);
        let texts = pieces.iter().map(|piece| Event::Text(Text::plain(piece)));
        let finish = Event::Finish {
            stop: Stop::End,
            sequence: None,
        };
        let mut left = String::new();
        for event in texts.chain([finish]) {
            let (late, event) = splice.take(event);
            for event in [late, event].into_iter().flatten() {
                if let Event::Text(text) = event {
                    left.push_str(&text.decoded());
                }
            }
        }
        left
    }

    #[test]
    fn a_repeated_beginning_is_left_out_however_it_is_cut() {
        let answer = "One two three.";
        for at in 0..answer.len() {
            let (first, second) = answer.split_at(at);
            assert_eq!(spliced("One two", " ", &[first, second]), "three.", "{at}");
        }
        assert_eq!(spliced("One", "", &["O", "n", "e", "!"]), "!");
        assert_eq!(spliced("One", "", &["One"]), "");
    }

    #[test]
    fn what_only_begins_like_it_is_kept() {
        assert_eq!(spliced("One two", "", &["One", " three"]), "One three");
        assert_eq!(spliced("One two", "", &["On"]), "On");
        assert_eq!(spliced("One", "", &["one"]), "one");
    }

    #[test]
    fn white_space_that_the_client_has_is_not_repeated() {
        assert_eq!(spliced("", " ", &[" two"]), "two");
        assert_eq!(spliced("", " ", &["  two"]), " two");
        assert_eq!(spliced("", "\n\n", &["\n", "\n", "\n", "two"]), "\ntwo");
        assert_eq!(spliced("", " ", &["two", " three"]), "two three");
        assert_eq!(spliced("", "\u{3000} ", &["\u{3000}two"]), "two");
        assert_eq!(spliced("", "", &[" two"]), " two");
    }
}
