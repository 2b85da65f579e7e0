//! The last good configuration, in a file beside the store, for the day the store can't be read.
//!
//! Two lines of JSON: the head, so that its revision is known without reading the rest, and the
//! rows as they rest in the store, secrets sealed.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _},
    path::Path,
};

use crate::{
    data_dir,
    rows::{Contents, Head},
};

/// Writes the file, as a whole.
pub(crate) fn write(path: &Path, head: &Head, contents: &Contents) -> io::Result<()> {
    let mut text = serde_json::to_vec(head)?;
    text.push(b'\n');
    serde_json::to_writer(&mut text, contents)?;
    text.push(b'\n');
    data_dir::write_whole(path, &text)
}

/// Reads which store the file is of and at which revision; `None` when there is no such file, or it
/// is none of ours. What it says is not yet proven.
pub(crate) fn peek(path: &Path) -> Option<Head> {
    let mut line = String::new();
    let file = File::open(path).ok()?;
    let read = BufReader::new(file.take(HEAD_LIMIT_BYTES)).read_line(&mut line);
    read.ok()
        .and_then(|_| serde_json::from_str(&line).ok())
        .or_else(|| {
            tracing::warn!(path = %path.display(), "the last good configuration is unreadable");
            None
        })
}

/// Reads the whole file; what it says is not yet proven.
pub(crate) fn read(path: &Path) -> io::Result<(Head, Contents)> {
    let mut reader = BufReader::new(File::open(path)?);
    let mut line = String::new();
    reader
        .by_ref()
        .take(HEAD_LIMIT_BYTES)
        .read_line(&mut line)?;
    let head = serde_json::from_str(&line)?;
    let contents = serde_json::from_reader(reader)?;
    Ok((head, contents))
}

/// Longer than any head, short enough for any file that was put in its place.
const HEAD_LIMIT_BYTES: u64 = 4096;
