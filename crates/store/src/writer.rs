//! The one writer of a store: opens it, writes it, and finds its way back after a failure.

use std::{mem, path::PathBuf, sync::Arc};

use ai_gateway_model::{Configuration, Record};

use crate::{
    data_dir,
    error::{BackendError, Broken, Damage, KeyError, OpenError},
    keyring::{IfMissing, Keyring},
    last_good,
    options::{Location, StoreOptions},
    rows::{Contents, Head},
    sqlite::{Database, Signature, Step, broken},
};

/// The writer, and where the store stands as far as it knows.
#[derive(Debug)]
pub(crate) struct Writer {
    line: Line,
    head: Head,
    keyring: Arc<Keyring>,
    path: PathBuf,
}

/// What the writer can do.
#[derive(Debug)]
enum Line {
    /// Write.
    Open(Database),
    /// Nothing before the store has been opened again: a write failed, and what the connection and
    /// the caches of the system hold is not to be trusted.
    Lost,
    /// Nothing: the store is broken, the last good configuration is served.
    ReadOnly(Arc<Broken>),
    /// Nothing: the process is about to end.
    Closed,
}

/// Why the writer cannot write.
#[derive(Debug)]
pub(crate) enum Refusal {
    ReadOnly(Arc<Broken>),
    Broken(Broken),
    Closed,
}

/// A store as it was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) writer: Writer,
    pub(crate) configuration: Configuration,
    /// Set when the store is broken and the last good configuration stands in.
    pub(crate) degraded: Option<Arc<Broken>>,
}

/// Opens the store, or the last good configuration when the store is broken.
pub(crate) async fn open(options: &StoreOptions) -> Result<Opened, OpenError> {
    match open_store(options).await {
        Ok(opened) => Ok(opened),
        Err(OpenError::Broken(broken)) => open_last_good(options, broken),
        Err(error) => Err(error),
    }
}

async fn open_store(options: &StoreOptions) -> Result<Opened, OpenError> {
    let Location::Sqlite(path) = &options.location;
    let last_good_file = options.last_good_file();
    let remembered = last_good::peek(&last_good_file);
    let is_new = std::fs::metadata(path).map_or(true, |metadata| metadata.len() == 0);
    if is_new && remembered.is_some() {
        return Err(OpenError::Broken(Broken::Missing {
            path: path.clone(),
            last_good: last_good_file,
        }));
    }
    data_dir::create_file(path).map_err(|error| OpenError::Broken(broken(path, error.into())))?;
    let mut database = Database::open(path).await.map_err(OpenError::Broken)?;
    let unavailable = |error| OpenError::Broken(broken(path, error));
    let keyring = match database.head().await.map_err(unavailable)? {
        Some(head) => load_key(options, &head)?,
        None => {
            let keyring = Keyring::load(&options.key_file, IfMissing::Create)?;
            database
                .begin(&Head::new(&keyring))
                .await
                .map_err(unavailable)?;
            keyring
        }
    };
    let (head, contents) = database.contents().await.map_err(unavailable)?;
    let mut writer = Writer {
        line: Line::Open(database),
        head,
        keyring: Arc::new(keyring),
        path: path.clone(),
    };
    let records = writer.prove(&writer.head, &contents)?;
    if let Some(remembered) = remembered {
        writer.compare(options, &remembered)?;
    }
    let configuration = writer.configure(writer.head.revision, records)?;
    if let Line::Open(database) = &mut writer.line {
        // Whatever a killed process left in the log is in the main file from here on.
        database.checkpoint().await.map_err(unavailable)?;
    }
    Ok(Opened {
        writer,
        configuration,
        degraded: None,
    })
}

fn open_last_good(options: &StoreOptions, reason: Broken) -> Result<Opened, OpenError> {
    let Location::Sqlite(path) = &options.location;
    let Ok((head, contents)) = last_good::read(&options.last_good_file()) else {
        return Err(OpenError::Broken(reason));
    };
    let writer = Writer {
        line: Line::Lost,
        keyring: Arc::new(load_key(options, &head)?),
        head,
        path: path.clone(),
    };
    let proven = writer
        .prove(&writer.head, &contents)
        .and_then(|records| writer.configure(writer.head.revision, records));
    let configuration = match proven {
        Ok(configuration) => configuration,
        Err(error) => {
            tracing::warn!(%error, "the last good configuration cannot be used either");
            return Err(OpenError::Broken(reason));
        }
    };
    let reason = Arc::new(reason);
    Ok(Opened {
        writer: Writer {
            line: Line::ReadOnly(Arc::clone(&reason)),
            ..writer
        },
        configuration,
        degraded: Some(reason),
    })
}

fn load_key(options: &StoreOptions, head: &Head) -> Result<Keyring, KeyError> {
    let keyring = Keyring::load(&options.key_file, IfMissing::Refuse)?;
    if keyring.id() == head.key_id {
        return Ok(keyring);
    }
    Err(KeyError::Mismatch {
        path: options.key_file.clone(),
        found: keyring.id().to_owned(),
        needed: head.key_id.clone(),
    })
}

impl Writer {
    /// Returns the revision that the store is at.
    pub(crate) fn revision(&self) -> u64 {
        self.head.revision
    }

    pub(crate) fn keyring(&self) -> &Arc<Keyring> {
        &self.keyring
    }

    /// Returns the connection, if there is one to work with.
    pub(crate) fn database(&mut self) -> Option<&mut Database> {
        match &mut self.line {
            Line::Open(database) => Some(database),
            Line::Lost | Line::ReadOnly(_) | Line::Closed => None,
        }
    }

    /// Makes sure that the store can be written, opening it again after a failure. Returns the
    /// configuration if it turns out to be another than the one last published.
    pub(crate) async fn ready(&mut self) -> Result<Option<Configuration>, Refusal> {
        match &self.line {
            Line::Open(_) => Ok(None),
            Line::ReadOnly(reason) => Err(Refusal::ReadOnly(Arc::clone(reason))),
            Line::Closed => Err(Refusal::Closed),
            Line::Lost => self.reopen().await.map_err(Refusal::Broken),
        }
    }

    async fn reopen(&mut self) -> Result<Option<Configuration>, Broken> {
        let mut database = Database::open(&self.path).await?;
        let unavailable = |error| broken(&self.path, error);
        database.checkpoint().await.map_err(unavailable)?;
        let (head, contents) = database.contents().await.map_err(unavailable)?;
        let records = contents
            .open(&head, &self.keyring)
            .map_err(|damage| self.damaged(damage))?;
        if head.store_id != self.head.store_id || head.revision < self.head.revision {
            return Err(self.damaged(Damage::OtherRows {
                revision: self.head.revision,
            }));
        }
        let configuration = if head.revision == self.head.revision {
            None
        } else {
            let configuration = Configuration::from_records(head.revision, records);
            Some(configuration.map_err(|faults| self.invalid(faults))?)
        };
        self.line = Line::Open(database);
        self.head = head;
        Ok(configuration)
    }

    /// Writes the next revision. When it fails, or is dropped on the way, the store has to be
    /// opened again before the next write.
    pub(crate) async fn write(
        &mut self,
        steps: &[Step],
        signature: Signature<'_>,
    ) -> Result<(), BackendError> {
        let Line::Open(mut database) = mem::replace(&mut self.line, Line::Lost) else {
            return Err(BackendError::interrupted());
        };
        match database
            .commit(&self.head, steps, &self.keyring, signature)
            .await
        {
            Ok(head) => {
                self.head = head;
                self.line = Line::Open(database);
                Ok(())
            }
            Err(error) => {
                // It may well fail again; what counts is the first error.
                database.close().await.ok();
                Err(error)
            }
        }
    }

    /// Leaves the connection for lost: it failed.
    pub(crate) fn lose(&mut self) {
        if let Line::Open(_) = self.line {
            self.line = Line::Lost;
        }
    }

    /// Ends all writing.
    pub(crate) async fn close(&mut self) -> Result<(), BackendError> {
        match mem::replace(&mut self.line, Line::Closed) {
            Line::Open(database) => database.close().await,
            Line::Lost | Line::ReadOnly(_) | Line::Closed => Ok(()),
        }
    }

    fn prove(&self, head: &Head, contents: &Contents) -> Result<Vec<Record>, OpenError> {
        contents
            .open(head, &self.keyring)
            .map_err(|damage| OpenError::Broken(self.damaged(damage)))
    }

    fn configure(&self, revision: u64, records: Vec<Record>) -> Result<Configuration, OpenError> {
        Configuration::from_records(revision, records)
            .map_err(|faults| OpenError::Broken(self.invalid(faults)))
    }

    /// Refuses a store that is older than the last good configuration, or another. A last-good
    /// file that can't be proven refuses nothing: it is written anew.
    fn compare(&self, options: &StoreOptions, remembered: &Head) -> Result<(), OpenError> {
        let is_other = remembered.store_id != self.head.store_id;
        if !is_other && remembered.revision <= self.head.revision {
            return Ok(());
        }
        let last_good = options.last_good_file();
        let is_proven = last_good::read(&last_good).is_ok_and(|(head, contents)| {
            head == *remembered && contents.open(&head, &self.keyring).is_ok()
        });
        if !is_proven {
            tracing::warn!(path = %last_good.display(), "the last good configuration is no proof");
            return Ok(());
        }
        let path = self.path.clone();
        Err(OpenError::Broken(if is_other {
            Broken::Exchanged { path, last_good }
        } else {
            Broken::RolledBack {
                path,
                revision: self.head.revision,
                served: remembered.revision,
                last_good,
            }
        }))
    }

    fn damaged(&self, damage: Damage) -> Broken {
        Broken::Damaged {
            path: self.path.clone(),
            damage,
        }
    }

    fn invalid(&self, faults: Vec<ai_gateway_model::RecordFault>) -> Broken {
        Broken::Invalid {
            path: self.path.clone(),
            faults,
        }
    }
}
