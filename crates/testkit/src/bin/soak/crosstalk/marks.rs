//! Marks that say whose an answer is.

/// The mark of that number in the answer to the request of that nonce.
pub(crate) fn mark(nonce: u64, number: u32) -> String {
    format!("~{nonce:016x}-{number};")
}

/// What an answer's marks say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Marks {
    /// Its own, so many, in their order.
    Own(u32),
    /// Its own, but not in their order.
    Disordered,
    /// Among them one of another request.
    Foreign(String),
}

impl Marks {
    /// Reads the marks of an answer to the request of `nonce`. One that is cut off is none.
    pub(crate) fn read(answer: &[u8], nonce: u64) -> Self {
        let mut next = 0;
        let mut is_ordered = true;
        for found in answer.split(|&byte| byte == b'~').skip(1) {
            let Some((of, number)) = parse(found) else {
                continue;
            };
            if of != nonce {
                let shown = found.get(..found.len().min(24)).unwrap_or(found);
                return Self::Foreign(String::from_utf8_lossy(shown).into_owned());
            }
            is_ordered &= number == next;
            next += 1;
        }
        if is_ordered {
            Self::Own(next)
        } else {
            Self::Disordered
        }
    }
}

fn parse(found: &[u8]) -> Option<(u64, u32)> {
    let (nonce, rest) = found.split_at_checked(16)?;
    let rest = rest.strip_prefix(b"-")?;
    let end = rest.iter().position(|&byte| byte == b';')?;
    let number = std::str::from_utf8(rest.get(..end)?).ok()?;
    let nonce = std::str::from_utf8(nonce).ok()?;
    Some((u64::from_str_radix(nonce, 16).ok()?, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_say_whose_an_answer_is() {
        let answer = |marks: &[(u64, u32)]| {
            let marks = marks
                .iter()
                .map(|&(nonce, number)| mark(nonce, number) + " words ");
            marks.collect::<String>()
        };
        let read = |marks: &[(u64, u32)]| Marks::read(answer(marks).as_bytes(), 7);
        assert_eq!(read(&[]), Marks::Own(0));
        assert_eq!(read(&[(7, 0), (7, 1)]), Marks::Own(2));
        assert_eq!(read(&[(7, 1), (7, 0)]), Marks::Disordered);
        assert_eq!(read(&[(7, 0), (7, 0)]), Marks::Disordered);
        assert!(matches!(read(&[(7, 0), (8, 1)]), Marks::Foreign(_)));
        let whole = answer(&[(7, 0), (7, 1)]);
        let cut = whole.len() - " words ".len() - 1;
        assert_eq!(Marks::read(&whole.as_bytes()[..cut], 7), Marks::Own(1));
    }
}
