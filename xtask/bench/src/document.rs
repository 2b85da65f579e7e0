//! Puts figures into a document, between two marks that name their place.

use std::{fs, path::Path};

use anyhow::{Context as _, ensure};

/// Puts `text` in the place of what stands between `<!-- name -->` and `<!-- /name -->` in the file.
///
/// # Errors
///
/// When the file cannot be read or written, or does not have the two marks, each once.
pub(crate) fn put(file: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let before = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let after = replaced(&before, name, text)
        .with_context(|| format!("{} has no place for the figures", file.display()))?;
    fs::write(file, after).with_context(|| format!("writing {}", file.display()))
}

fn replaced(document: &str, name: &str, text: &str) -> anyhow::Result<String> {
    let (begin, end) = (format!("<!-- {name} -->"), format!("<!-- /{name} -->"));
    for mark in [&begin, &end] {
        let count = document.matches(mark.as_str()).count();
        ensure!(count == 1, "it has {count} times {mark}");
    }
    let (before, rest) = document.split_once(&begin).context("no begin")?;
    let (_, after) = rest.split_once(&end).context("the end comes first")?;
    Ok(format!("{before}{begin}\n{}\n{end}{after}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::replaced;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let document = "a\n<!-- run -->\nold\nlines\n<!-- /run -->\nb <!-- other --> c\n";
        let once = replaced(document, "run", "| new |\n").expect("it has the marks");
        assert_eq!(
            once,
            "a\n<!-- run -->\n| new |\n<!-- /run -->\nb <!-- other --> c\n"
        );
        assert_eq!(
            replaced(&once, "run", "| new |").expect("it has them still"),
            once
        );
    }

    #[test]
    fn a_document_without_its_marks_stays_as_it_is() {
        for document in [
            "",
            "<!-- run -->",
            "<!-- /run --><!-- run -->",
            "<!-- run --><!-- run --><!-- /run -->",
        ] {
            assert!(replaced(document, "run", "new").is_err(), "{document}");
        }
    }
}
