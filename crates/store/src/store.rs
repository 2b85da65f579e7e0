//! The store as the rest of the process sees it.

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ai_gateway_model::{Change, Configuration};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    clock::Clock,
    data_dir::{self, Lock},
    error::{BackendError, Broken, CommitError, OpenError},
    keyring::Keyring,
    last_good,
    options::{Location, StoreOptions},
    sqlite::{Database, Signature, Step},
    steps,
    writer::{self, Refusal, Writer},
};

/// Every revision of the configuration, on the disk, and the newest in memory.
///
/// A clone is another handle on the same store. One process at a time works on a store. Call
/// [`close`](Self::close) before the process ends or opens the same store again; one that is
/// killed instead loses nothing that was committed.
///
/// # Examples
///
/// ```
/// use ai_gateway_store::{Store, StoreOptions};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ai_gateway_store::OpenError> {
/// # let folder = tempfile::tempdir().unwrap();
/// let store = Store::open(StoreOptions::new(folder.path())).await?;
/// assert_eq!(store.current().revision(), 0);
/// store.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Store(Arc<Inner>);

/// A change that was made.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The configuration with the change in it.
    pub configuration: Arc<Configuration>,
    /// Its revision.
    pub revision: u64,
}

/// Whether a store does all that it is for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Condition {
    /// It does.
    Ready,
    /// The last write failed. Reading goes on; the next write opens the store again.
    WritesFail(BackendError),
    /// The store is broken: the last good configuration is served, and nothing can be written.
    ReadOnly(Arc<Broken>),
}

pub(crate) struct Inner {
    published: watch::Sender<Arc<Configuration>>,
    condition: Mutex<Condition>,
    pub(crate) writer: Arc<AsyncMutex<Writer>>,
    /// The keys of the requests that are being answered for the first time.
    pub(crate) answering: Mutex<HashSet<String>>,
    pub(crate) clock: Clock,
    history_revisions: u64,
    tasks: TaskTracker,
    closing: CancellationToken,
}

impl Store {
    /// Opens the store, makes it if there is none, and reads what is configured into memory.
    ///
    /// Reads and writes files in place, for the start of a process: a few milliseconds for a small
    /// store. When the store is broken and the last good configuration is there, serves that
    /// instead, without any writes; see [`condition`](Self::condition). Dropping the future gives
    /// up the lock on the folder.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: the folder is in use or cannot be used, the master key does not fit, or the
    /// store is broken without anything to serve instead.
    pub async fn open(options: StoreOptions) -> Result<Self, OpenError> {
        data_dir::create(&options.data_dir)?;
        let locks = options
            .lock_files()
            .iter()
            .map(|path| Lock::take(path))
            .collect::<Result<Vec<_>, _>>()?;
        let opened = Box::pin(writer::open(&options)).await?;
        let condition = match opened.degraded {
            Some(reason) => Condition::ReadOnly(reason),
            None => Condition::Ready,
        };
        let keyring = Arc::clone(opened.writer.keyring());
        let inner = Arc::new(Inner {
            published: watch::Sender::new(Arc::new(opened.configuration)),
            condition: Mutex::new(condition.clone()),
            writer: Arc::new(AsyncMutex::new(opened.writer)),
            answering: Mutex::default(),
            clock: options.clock.clone(),
            history_revisions: options.history_revisions,
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
        });
        let keeper = LastGoodKeeper {
            published: inner.published.subscribe(),
            closing: inner.closing.clone(),
            is_writing: matches!(condition, Condition::Ready),
            keyring,
            options,
            _locks: locks,
        };
        inner.tasks.spawn(keeper.run());
        Ok(Self(inner))
    }

    /// Returns the configuration as it is now, from memory.
    pub fn current(&self) -> Arc<Configuration> {
        Arc::clone(&self.0.published.borrow())
    }

    /// Tells of each new configuration. A watcher that is slow misses those in between, never the
    /// newest.
    pub fn watch(&self) -> watch::Receiver<Arc<Configuration>> {
        self.0.published.subscribe()
    }

    /// Says whether the store does all that it is for: what a readiness check shows.
    pub fn condition(&self) -> Condition {
        self.0.condition().clone()
    }

    /// Makes the next revision of the configuration, in the name of `author`.
    ///
    /// `change` sees the newest configuration, which no one else can change meanwhile, and says
    /// what to change; it must not wait for anything. An empty list changes nothing and takes no
    /// revision. The change is on the disk and published when this returns. Waits for writers
    /// before it.
    ///
    /// Dropping the future before `change` was called makes no change; later, the change is made
    /// or fails as a whole without anyone being told.
    ///
    /// # Errors
    ///
    /// [`CommitError`]; nothing has changed then.
    pub async fn commit<E>(
        &self,
        author: &str,
        change: impl Fn(&Configuration) -> Result<Vec<Change>, E>,
    ) -> Result<Committed, CommitError<E>> {
        let mut writer = self.0.lock().await?;
        let current = self.current();
        let mut changes = change(&current).map_err(CommitError::Rejected)?;
        if changes.is_empty() {
            return Ok(Committed {
                revision: current.revision(),
                configuration: current,
            });
        }
        let at_ms = self.0.clock.now_ms();
        steps::stamp(&mut changes, &current, at_ms);
        let next = current
            .next(writer.revision() + 1, &changes)
            .map_err(CommitError::Invalid)?;
        let steps = steps::between(&current, &next, writer.keyring())?;
        let next = Arc::new(next);
        let write = {
            let (inner, next, author) = (Arc::clone(&self.0), Arc::clone(&next), author.to_owned());
            async move {
                inner
                    .write(&mut writer, &steps, (&author, at_ms), next)
                    .await
            }
        };
        // On a task of its own, so that a caller who goes away cannot leave it half done.
        match self.0.tasks.spawn(write).await {
            Ok(Ok(())) => Ok(Committed {
                revision: next.revision(),
                configuration: next,
            }),
            Ok(Err(error)) if error.is_disk_full() => Err(CommitError::Full(error)),
            Ok(Err(error)) => Err(CommitError::Unavailable(error)),
            Err(_) => Err(CommitError::Unavailable(BackendError::interrupted())),
        }
    }

    /// Waits for writes under way, writes the last good configuration and closes the store.
    /// Afterwards the configuration can still be read, and no longer changed.
    pub async fn close(&self) {
        self.0.closing.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        if let Err(error) = self.0.writer.lock().await.close().await {
            tracing::warn!(%error, "the store was not closed cleanly");
        }
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.0
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("revision", &self.current().revision())
            .field("condition", &self.condition())
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// Waits for the writer's turn and makes sure that it can write.
    pub(crate) async fn lock(&self) -> Result<OwnedMutexGuard<Writer>, Refusal> {
        let mut writer = Arc::clone(&self.writer).lock_owned().await;
        if self.closing.is_cancelled() {
            return Err(Refusal::Closed);
        }
        let found = Box::pin(writer.ready()).await?;
        if let Some(configuration) = found {
            tracing::warn!(
                revision = configuration.revision(),
                "a change that was reported as failed is in the store: published now"
            );
            self.published.send_replace(Arc::new(configuration));
        }
        self.set_condition(Condition::Ready);
        Ok(writer)
    }

    async fn write(
        &self,
        writer: &mut Writer,
        steps: &[Step],
        (author, at_ms): (&str, u64),
        next: Arc<Configuration>,
    ) -> Result<(), BackendError> {
        let signature = Signature {
            author,
            at_ms,
            history_revisions: self.history_revisions,
        };
        match writer.write(steps, signature).await {
            Ok(()) => {
                self.published.send_replace(next);
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "the store could not be written");
                self.set_condition(Condition::WritesFail(error.clone()));
                Err(error)
            }
        }
    }

    fn condition(&self) -> std::sync::MutexGuard<'_, Condition> {
        // Every value of the condition is whole: a panic elsewhere cannot have left a part of one.
        self.condition
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_condition(&self, condition: Condition) {
        *self.condition() = condition;
    }
}

impl<E> From<Refusal> for CommitError<E> {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::ReadOnly(reason) => Self::ReadOnly(reason),
            Refusal::Broken(Broken::Unavailable { source, .. }) if source.is_disk_full() => {
                Self::Full(source)
            }
            Refusal::Broken(Broken::Unavailable { source, .. }) => Self::Unavailable(source),
            Refusal::Broken(broken) => Self::Broken(broken),
            Refusal::Closed => Self::Closed,
        }
    }
}

/// Writes the last good configuration whenever there is a new one, and holds the locks until it is
/// done.
struct LastGoodKeeper {
    published: watch::Receiver<Arc<Configuration>>,
    closing: CancellationToken,
    is_writing: bool,
    keyring: Arc<Keyring>,
    options: StoreOptions,
    _locks: Vec<Lock>,
}

impl LastGoodKeeper {
    async fn run(mut self) {
        // Nothing needs to be remembered of a store in which nothing was ever written.
        let mut written =
            last_good::peek(&self.options.last_good_file()).map_or(0, |it| it.revision);
        loop {
            let is_last = self.closing.is_cancelled();
            let newest = self.published.borrow_and_update().revision();
            if self.is_writing && written != newest {
                written = self.write_and_rest(written).await;
            }
            if is_last {
                return;
            }
            if self.is_writing && written != newest {
                continue;
            }
            tokio::select! {
                changed = self.published.changed() => if changed.is_err() { return },
                () = self.closing.cancelled() => {}
            }
        }
    }

    /// Writes the newest configuration and waits until it is time to write another; returns the
    /// revision that is in the file then.
    async fn write_and_rest(&self, before: u64) -> u64 {
        let (written, interval) = match self.write().await {
            Ok(revision) => (revision, self.options.last_good_interval),
            Err(error) => {
                tracing::warn!(%error, "the last good configuration was not written");
                (before, RETRY_INTERVAL)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = self.closing.cancelled() => {}
        }
        written
    }

    /// Writes what the store holds now; returns its revision. Should the file have been damaged or
    /// exchanged meanwhile, what was written before stays: it is what this file is for.
    async fn write(&self) -> Result<u64, BackendError> {
        let Location::Sqlite(path) = &self.options.location;
        let published = self.published.borrow().revision();
        let mut database = Database::open_beside(path).await?;
        let (head, contents) = database.contents().await?;
        database.close().await?;
        let (last_good, keyring) = (self.options.last_good_file(), Arc::clone(&self.keyring));
        let proven_and_written = move || {
            if head.revision < published {
                return Err(BackendError::moved(published));
            }
            contents.open(&head, &keyring)?;
            last_good::write(&last_good, &head, &contents)?;
            Ok(head.revision)
        };
        tokio::task::spawn_blocking(proven_and_written)
            .await
            .map_err(|_| BackendError::interrupted())?
    }
}

/// How long to wait before the last good configuration is tried again, when it could not be
/// written.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);
