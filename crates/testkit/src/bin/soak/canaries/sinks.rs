//! Where a gateway writes or says anything.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::forms::Canary;

/// What was written or said, by where.
#[derive(Debug, Default)]
pub(crate) struct Sinks(Vec<Sink>);

#[derive(Debug)]
struct Sink {
    name: &'static str,
    /// What was said, and when or where.
    said: Vec<(String, Vec<u8>)>,
}

/// A secret where it must not be.
#[derive(Debug)]
pub(crate) struct Hit {
    pub(crate) what: &'static str,
    pub(crate) sink: &'static str,
    /// When or where.
    pub(crate) place: String,
    pub(crate) times: usize,
}

impl Sinks {
    pub(crate) fn add(&mut self, name: &'static str, place: impl Into<String>, said: Vec<u8>) {
        let said = (place.into(), said);
        match self.0.iter_mut().find(|sink| sink.name == name) {
            Some(sink) => sink.said.push(said),
            None => self.0.push(Sink {
                name,
                said: vec![said],
            }),
        }
    }

    /// Adds every file below `folder` but those named in `but`.
    pub(crate) fn add_files(&mut self, folder: &Path, but: &[&str]) -> Result<()> {
        let entries = fs::read_dir(folder);
        for entry in entries.with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() {
                self.add_files(&path, but)?;
            } else if !but.contains(&&*name) {
                let said =
                    fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
                self.add(FILES, name.into_owned(), said);
            }
        }
        Ok(())
    }

    /// The name, the pieces and the bytes of each.
    pub(crate) fn sizes(&self) -> impl Iterator<Item = (&'static str, usize, usize)> {
        self.0.iter().map(|sink| {
            let bytes = sink.said.iter().map(|(_, said)| said.len()).sum();
            (sink.name, sink.said.len(), bytes)
        })
    }

    /// Everywhere that `canary` is.
    pub(crate) fn find(&self, canary: &Canary) -> Vec<Hit> {
        let mut hits = Vec::new();
        for sink in &self.0 {
            for (place, said) in &sink.said {
                let times = canary.count(said);
                if times > 0 {
                    hits.push(Hit {
                        what: canary.what,
                        sink: sink.name,
                        place: place.clone(),
                        times,
                    });
                }
            }
        }
        hits
    }
}

pub(crate) const LOG: &str = "log, standard output and error";
pub(crate) const PROXY: &str = "answers of the proxy";
pub(crate) const ADMIN: &str = "answers of the Admin API";
pub(crate) const METRICS: &str = "metrics";
pub(crate) const FILES: &str = "files of the store";
pub(crate) const ARGUMENTS: &str = "arguments of the process";
