//! Where a store lives and how it is kept.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{clock::Clock, error::OpenError};

/// What [`Store::open`](crate::Store::open) needs to know.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    pub(crate) data_dir: PathBuf,
    pub(crate) location: Location,
    pub(crate) key_file: PathBuf,
    pub(crate) clock: Clock,
    pub(crate) history_revisions: u64,
    pub(crate) last_good_interval: Duration,
}

impl StoreOptions {
    /// Keeps everything in `data_dir`: the store in `gateway.db`, the key in `master.key`, the last
    /// good configuration in `last-good.json`. The folder is made if need be.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        let data_dir = data_dir.into();
        Self {
            location: Location::Sqlite(data_dir.join(STORE_FILE)),
            key_file: data_dir.join(KEY_FILE),
            data_dir,
            clock: Clock::system(),
            history_revisions: DEFAULT_HISTORY_REVISIONS,
            last_good_interval: DEFAULT_LAST_GOOD_INTERVAL,
        }
    }

    /// Keeps the store itself elsewhere.
    #[must_use]
    pub fn location(mut self, location: Location) -> Self {
        self.location = location;
        self
    }

    /// Keeps the master key elsewhere, such as on a volume that backups leave out.
    #[must_use]
    pub fn key_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.key_file = path.into();
        self
    }

    /// Reads the time from `clock`, not from the machine.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Keeps the change log of this many revisions; default 10,000, so that a store which is
    /// written by a machine does not fill the disk. At least 1.
    #[must_use]
    pub fn history_revisions(mut self, revisions: u64) -> Self {
        self.history_revisions = revisions.max(1);
        self
    }

    /// Leaves at least this long between two writes of the last good configuration; default 1 s,
    /// so that a burst of changes is not written out as a whole each time.
    #[must_use]
    pub fn last_good_interval(mut self, interval: Duration) -> Self {
        self.last_good_interval = interval;
        self
    }

    pub(crate) fn last_good_file(&self) -> PathBuf {
        self.data_dir.join(LAST_GOOD_FILE)
    }

    /// Returns the lock files: one for the data folder, and one for a store outside it, which
    /// another data folder may also name.
    pub(crate) fn lock_files(&self) -> Vec<PathBuf> {
        let Location::Sqlite(store) = &self.location;
        let mut files = vec![self.data_dir.join(LOCK_FILE)];
        if store.parent() != Some(&self.data_dir) {
            let mut beside = store.clone().into_os_string();
            beside.push(".lock");
            files.push(beside.into());
        }
        files
    }
}

/// Which database holds the store.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Location {
    /// An SQLite file, used by one process at a time.
    Sqlite(PathBuf),
}

impl Location {
    /// Reads an address: `sqlite://PATH` (three slashes for an absolute path), or a path.
    ///
    /// # Errors
    ///
    /// [`OpenError::UnknownLocation`] for any other scheme, and for no path at all.
    pub fn parse(text: &str) -> Result<Self, OpenError> {
        let path = match text.split_once("://") {
            Some(("sqlite", path)) => path,
            None => text,
            Some((scheme, rest)) => {
                // What stands before an `@` may be a password.
                let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
                return Err(OpenError::UnknownLocation {
                    location: format!("{scheme}://{rest}"),
                });
            }
        };
        if path.is_empty() {
            return Err(OpenError::UnknownLocation {
                location: text.to_owned(),
            });
        }
        Ok(Self::Sqlite(Path::new(path).to_owned()))
    }
}

const STORE_FILE: &str = "gateway.db";
const KEY_FILE: &str = "master.key";
const LAST_GOOD_FILE: &str = "last-good.json";
const LOCK_FILE: &str = "lock";
const DEFAULT_HISTORY_REVISIONS: u64 = 10_000;
const DEFAULT_LAST_GOOD_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let parsed = Location::parse(text)
            .map(|Location::Sqlite(path)| path.to_string_lossy().into_owned())
            .map_err(|error| match error {
                OpenError::UnknownLocation { location } => location,
                other => panic!("{other}"),
            });
        assert_eq!(
            parsed.as_deref().map_err(String::as_str),
            expected,
            "{text}"
        );
    }

    #[test]
    fn an_address_is_a_path_or_sqlite() {
        check("sqlite:///var/lib/g.db", Ok("/var/lib/g.db"));
        check("sqlite://g.db", Ok("g.db"));
        check("/var/lib/g.db", Ok("/var/lib/g.db"));
        check("sqlite://", Err("sqlite://"));
        check("", Err(""));
    }

    #[test]
    fn an_address_of_another_kind_is_refused_without_its_password() {
        check(
            "postgres://gateway:hunter2@db/gateway",
            Err("postgres://db/gateway"),
        );
    }
}
