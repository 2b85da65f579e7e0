//! What can go wrong with a store, and whose move it is then.

use std::{io, path::PathBuf, sync::Arc};

use ai_gateway_model::RecordFault;

use crate::keyring::SealError;

/// Why a store could not be opened, and nothing can be served from it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The address given for the store is of a kind that this build cannot open.
    #[error("cannot open the store {location}: only sqlite:// addresses and file paths are known")]
    UnknownLocation {
        /// The address as given, without what stands before an `@`.
        location: String,
    },
    /// The data folder cannot be made or used.
    #[error("cannot use the data folder {}", path.display())]
    DataDir {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process works on the store; two at once would overwrite each other.
    #[error(
        "another process{} uses {}: stop it, or choose another --data-dir",
        holder.map(|pid| format!(" ({pid})")).unwrap_or_default(),
        path.display()
    )]
    InUse {
        /// The lock file that the other process holds.
        path: PathBuf,
        /// Its process id, where it has written one.
        holder: Option<u32>,
    },
    /// The master key is missing, unreadable or another store's.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The store is damaged, and there is no last good configuration to serve instead.
    #[error("the store cannot be used, and no last good configuration is there to serve instead")]
    Broken(#[source] Broken),
}

/// Why the master key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// There is a store, and not the key that its secrets are encrypted with.
    #[error(
        "the master key {} is missing: put back the copy that belongs to this store",
        path.display()
    )]
    Missing {
        /// Where the key file should be.
        path: PathBuf,
    },
    /// The key is a good one, for another store.
    #[error(
        "the master key {} is not this store's: it is key {found}, the store needs key {needed}",
        path.display()
    )]
    Mismatch {
        /// The key file.
        path: PathBuf,
        /// The id of the key in the file.
        found: String,
        /// The id of the key that the store was written with.
        needed: String,
    },
    /// The file does not hold a master key.
    #[error("{} does not hold a master key", path.display())]
    Malformed {
        /// The key file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read the master key {}", path.display())]
    Unreadable {
        /// The key file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write the master key {}", path.display())]
    Unwritable {
        /// The key file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system gives no random bytes to make a key of.
    #[error("the system gives no random bytes to make a master key of")]
    NoRandomness,
}

/// What is wrong with the store itself. Traffic goes on with the last good configuration, where
/// there is one; writes are refused until a person has looked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Broken {
    /// There was a store, and its file is gone or empty.
    #[error(
        "{} is gone, and {} says there was one: restore it, or remove both to begin anew",
        path.display(), last_good.display()
    )]
    Missing {
        /// Where the store should be.
        path: PathBuf,
        /// The file that remembers it.
        last_good: PathBuf,
    },
    /// The file is no store of this project.
    #[error("{} is not a store of this gateway", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer release has written the file.
    #[error(
        "{} was written by a newer release (schema {version}, this one knows {known})",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The newest schema version in the file.
        version: i64,
        /// The newest that this release knows.
        known: i64,
    },
    /// The file is older than what this gateway has served from it.
    #[error(
        "{} is at revision {revision}, and this gateway has already served revision {served}: \
         restore the newer one, or remove {} to accept the older",
        path.display(), last_good.display()
    )]
    RolledBack {
        /// The file.
        path: PathBuf,
        /// The revision in it.
        revision: u64,
        /// The revision of the last good configuration.
        served: u64,
        /// The file that remembers it.
        last_good: PathBuf,
    },
    /// The last good configuration belongs to another store.
    #[error(
        "{} is not the store that {} was taken from: restore that one, or remove the latter to \
         accept this store",
        path.display(), last_good.display()
    )]
    Exchanged {
        /// The file.
        path: PathBuf,
        /// The file that remembers another store.
        last_good: PathBuf,
    },
    /// The file is damaged, or was altered by something else than this gateway.
    #[error("{} is damaged: {damage}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        damage: Damage,
    },
    /// What the file holds is authentic, and no valid configuration for this release.
    #[error(
        "{} holds {} objects that this release refuses, the first: {}",
        path.display(), faults.len(), first(faults)
    )]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Every object at fault.
        faults: Vec<RecordFault>,
    },
    /// The file cannot be read or written now.
    #[error("cannot work with {}", path.display())]
    Unavailable {
        /// The file.
        path: PathBuf,
        /// What the database or the system said.
        source: BackendError,
    },
}

/// What does not fit in stored data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The database finds its own structure broken.
    #[error("{message}")]
    Structure {
        /// What the database reports.
        message: String,
    },
    /// A value has a form that this gateway never writes.
    #[error("{table} {row}: {column} cannot be read")]
    Value {
        /// The table.
        table: &'static str,
        /// Which row of it.
        row: String,
        /// The column.
        column: &'static str,
    },
    /// A row is not as this gateway wrote it.
    #[error("{table} {row} was altered")]
    Altered {
        /// The table.
        table: &'static str,
        /// Which row of it.
        row: String,
    },
    /// Each row is authentic, and their set is not the one last written.
    #[error("rows were lost or brought back since revision {revision}")]
    OtherRows {
        /// The revision that the store says it is at.
        revision: u64,
    },
}

/// What the database under the store reported.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub struct BackendError(Arc<Cause>);

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Migration(#[from] sqlx::migrate::MigrateError),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Damage(#[from] Damage),
    #[error("the store is no longer at revision {expected}: something else has changed it")]
    Moved { expected: u64 },
    #[error("the write was interrupted")]
    Interrupted,
}

impl<T: Into<Cause>> From<T> for BackendError {
    fn from(cause: T) -> Self {
        Self(Arc::new(cause.into()))
    }
}

impl BackendError {
    /// The revision in the store was not `expected`, though this process alone may write it.
    pub(crate) fn moved(expected: u64) -> Self {
        Self(Arc::new(Cause::Moved { expected }))
    }

    /// The write did not run to its end: the process is about to.
    pub(crate) fn interrupted() -> Self {
        Self(Arc::new(Cause::Interrupted))
    }

    /// Says whether the disk is full.
    pub fn is_disk_full(&self) -> bool {
        match &*self.0 {
            Cause::Io(error) => error.kind() == io::ErrorKind::StorageFull,
            Cause::Database(_) | Cause::Migration(_) => self.sqlite_code() == Some(SQLITE_FULL),
            Cause::Damage(_) | Cause::Moved { .. } | Cause::Interrupted => false,
        }
    }

    /// Says whether the database found its file broken, or not to be a database.
    pub(crate) fn is_corruption(&self) -> bool {
        let is_unreadable = matches!(
            *self.0,
            Cause::Database(sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. })
        );
        is_unreadable || matches!(self.sqlite_code(), Some(SQLITE_CORRUPT | SQLITE_NOTADB))
    }

    /// Returns SQLite's primary result code.
    fn sqlite_code(&self) -> Option<u32> {
        use sqlx::migrate::MigrateError;
        let error = match &*self.0 {
            Cause::Database(error)
            | Cause::Migration(
                MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _),
            ) => error,
            Cause::Migration(_)
            | Cause::Io(_)
            | Cause::Damage(_)
            | Cause::Moved { .. }
            | Cause::Interrupted => return None,
        };
        let extended: u32 = error.as_database_error()?.code()?.parse().ok()?;
        Some(extended & 0xff)
    }
}

/// Why a change was not made: the configuration stays as it was.
///
/// After [`Full`](Self::Full) and [`Unavailable`](Self::Unavailable) the store is reopened before
/// the next change; should the failed one turn out to be on the disk after all, as a whole, it is
/// published then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError<E> {
    /// The caller's own closure refused.
    #[error("the change was refused")]
    Rejected(E),
    /// The configuration with the change in it would not be valid.
    #[error("the change would leave {} objects invalid, the first: {}", .0.len(), first(.0))]
    Invalid(Vec<RecordFault>),
    /// The store is broken and the last good configuration is served; nothing can be written.
    #[error("the store takes no changes")]
    ReadOnly(#[source] Arc<Broken>),
    /// The disk is full.
    #[error("the disk of the store is full")]
    Full(#[source] BackendError),
    /// The store cannot be written now; a later try may succeed.
    #[error("the store cannot be written now")]
    Unavailable(#[source] BackendError),
    /// The store was found broken while it was being reopened after a failed write.
    #[error("the store cannot be used")]
    Broken(#[source] Broken),
    /// A secret could not be encrypted.
    #[error(transparent)]
    Sealing(#[from] SealError),
    /// The store was closed: this process is about to end.
    #[error("the store is closed")]
    Closed,
}

impl<E> CommitError<E> {
    /// Says whether the same change may succeed later without anyone correcting it.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Full(_) | Self::Unavailable(_) | Self::Sealing(_) => true,
            Self::Rejected(_)
            | Self::Invalid(_)
            | Self::ReadOnly(_)
            | Self::Broken(_)
            | Self::Closed => false,
        }
    }
}

/// Why an answer could not be kept or looked up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// The store is broken, or closed.
    #[error("the store takes no changes")]
    ReadOnly,
    /// The store cannot be used now.
    #[error("the store cannot be used now")]
    Unavailable(#[source] BackendError),
    /// The store was found broken while it was being reopened after a failed write.
    #[error("the store cannot be used")]
    Broken(#[source] Broken),
    /// The answer could not be encrypted.
    #[error(transparent)]
    Sealing(#[from] SealError),
}

fn first(faults: &[RecordFault]) -> String {
    faults.first().map(ToString::to_string).unwrap_or_default()
}

const SQLITE_CORRUPT: u32 = 11;
const SQLITE_FULL: u32 = 13;
const SQLITE_NOTADB: u32 = 26;
