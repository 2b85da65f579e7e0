//! All the SQL for SQLite.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use ai_gateway_model::Kind;
use sqlx::{
    Connection as _, Row as _, SqlSafeStr as _, SqliteConnection,
    migrate::{AppliedMigration, Migrate as _, MigrateError, Migration, MigrationType},
    sqlite::{SqliteConnectOptions, SqliteRow, SqliteSynchronous},
};
use uuid::Uuid;

use crate::{
    error::{BackendError, Broken, Damage},
    keyring::{Keyring, Mark},
    rows::{Contents, Head, ObjectRow, SecretRow},
};

/// A connection to the store's file.
#[derive(Debug)]
pub(crate) struct Database {
    connection: SqliteConnection,
    path: PathBuf,
}

/// One object's part in a commit, ready to be written.
#[derive(Debug)]
pub(crate) enum Step {
    /// The object is new or replaced.
    Put {
        /// How it shall rest.
        row: ObjectRow,
        /// Its JSON before, where it existed.
        before: Option<String>,
        /// The secrets that are new or have changed, encrypted.
        secrets: Vec<SecretRow>,
        /// The slots that hold no secret any more.
        emptied_slots: Vec<String>,
    },
    /// The object goes.
    Delete {
        /// It, as it was.
        kind: Kind,
        id: Uuid,
        gateway: Option<Uuid>,
        name: String,
        before: String,
    },
}

/// Who makes a change and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signature<'a> {
    pub(crate) author: &'a str,
    pub(crate) at_ms: u64,
    /// How many revisions the change log keeps, this one included.
    pub(crate) history_revisions: u64,
}

/// An answer kept for a repeated request.
#[derive(Debug)]
pub(crate) struct AnswerRow {
    pub(crate) key: String,
    pub(crate) request_hash: Vec<u8>,
    pub(crate) response: Vec<u8>,
    pub(crate) expires_at_ms: u64,
}

impl Database {
    /// Opens the file at `path`, which must exist, brings its schema up to date if it is ours or
    /// new, and checks its structure. A file that is not ours is left as it is.
    pub(crate) async fn open(path: &Path) -> Result<Self, Broken> {
        let broken = |source| broken(path, source);
        let mut database = Self::connect(path, Access::Write).await.map_err(broken)?;
        if !database.is_ours_or_new().await.map_err(broken)? {
            return Err(Broken::Foreign { path: path.into() });
        }
        database
            .execute("PRAGMA journal_mode = WAL")
            .await
            .map_err(broken)?;
        database.check_structure().await?;
        database.migrate().await?;
        Ok(database)
    }

    /// Opens the file at `path` beside the connection that writes it, to read one state of it.
    pub(crate) async fn open_beside(path: &Path) -> Result<Self, BackendError> {
        Self::connect(path, Access::Read).await
    }

    async fn connect(path: &Path, access: Access) -> Result<Self, BackendError> {
        use sqlx::ConnectOptions as _;
        let connection = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .read_only(access == Access::Read)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            // The file may have been swapped for one that was made to do harm.
            .pragma("trusted_schema", "OFF")
            .pragma("cell_size_check", "ON")
            .disable_statement_logging()
            .connect()
            .await?;
        Ok(Self {
            connection,
            path: path.into(),
        })
    }

    async fn is_ours_or_new(&mut self) -> Result<bool, BackendError> {
        let application_id: i64 = sqlx::query_scalar("PRAGMA application_id")
            .fetch_one(&mut self.connection)
            .await?;
        if application_id == APPLICATION_ID {
            return Ok(true);
        }
        // The migrator makes its own table first: a process killed right after that has left a
        // file that is still new.
        let tables: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name <> '_sqlx_migrations'",
        )
        .fetch_one(&mut self.connection)
        .await?;
        Ok(application_id == 0 && tables == 0)
    }

    async fn check_structure(&mut self) -> Result<(), Broken> {
        let report: String = sqlx::query_scalar("PRAGMA quick_check(1)")
            .fetch_one(&mut self.connection)
            .await
            .map_err(|error| broken(&self.path, error.into()))?;
        if report == "ok" {
            return Ok(());
        }
        Err(Broken::Damaged {
            path: self.path.clone(),
            damage: Damage::Structure { message: report },
        })
    }

    /// Applies the migrations that the file does not have yet, each in a transaction.
    ///
    /// In place of `Migrator::run`, whose generics keep a future that calls it from being `Send`.
    async fn migrate(&mut self) -> Result<(), Broken> {
        let applied = self.applied_migrations().await;
        let applied = applied.map_err(|error| broken(&self.path, error.into()))?;
        for (at, found) in applied.iter().enumerate() {
            let Some(migration) = MIGRATIONS.get(at).map(migration) else {
                return Err(Broken::Newer {
                    path: self.path.clone(),
                    version: found.version,
                    known: MIGRATIONS.last().map_or(0, |&(version, ..)| version),
                });
            };
            if (found.version, &found.checksum) != (migration.version, &migration.checksum) {
                return Err(Broken::Damaged {
                    path: self.path.clone(),
                    damage: Damage::Value {
                        table: MIGRATIONS_TABLE,
                        row: found.version.to_string(),
                        column: "checksum",
                    },
                });
            }
        }
        for missing in MIGRATIONS.get(applied.len()..).unwrap_or_default() {
            self.connection
                .apply(MIGRATIONS_TABLE, &migration(missing))
                .await
                .map_err(|error| broken(&self.path, error.into()))?;
        }
        Ok(())
    }

    async fn applied_migrations(&mut self) -> Result<Vec<AppliedMigration>, MigrateError> {
        self.connection
            .ensure_migrations_table(MIGRATIONS_TABLE)
            .await?;
        self.connection
            .list_applied_migrations(MIGRATIONS_TABLE)
            .await
    }

    /// Reads where the store stands; `None` while it is new.
    pub(crate) async fn head(&mut self) -> Result<Option<Head>, BackendError> {
        let row = sqlx::query(SELECT_HEAD)
            .fetch_optional(&mut self.connection)
            .await?;
        Ok(row.as_ref().map(head).transpose()?)
    }

    /// Makes a new store one that stands at `head`.
    pub(crate) async fn begin(&mut self, head: &Head) -> Result<(), BackendError> {
        sqlx::query(
            "INSERT INTO meta (id, store_id, key_id, revision, content_fold, seal) \
             VALUES (1, ?1, ?2, ?3, ?4, ?5)",
        )
        .bind(&head.store_id)
        .bind(&head.key_id)
        .bind(signed(head.revision))
        .bind(head.content_fold.as_slice())
        .bind(&head.seal)
        .execute(&mut self.connection)
        .await?;
        Ok(())
    }

    /// Reads all that is configured, as of one moment.
    pub(crate) async fn contents(&mut self) -> Result<(Head, Contents), BackendError> {
        let mut transaction = self.connection.begin().await?;
        let head = head(
            &sqlx::query(SELECT_HEAD)
                .fetch_one(&mut *transaction)
                .await?,
        )?;
        let objects = sqlx::query(
            "SELECT kind, id, gateway_id, name, spec, revision, created_at_ms, updated_at_ms, mac \
             FROM objects",
        )
        .try_map(|row: SqliteRow| {
            Ok(ObjectRow {
                kind: row.try_get(0)?,
                id: row.try_get(1)?,
                gateway_id: row.try_get(2)?,
                name: row.try_get(3)?,
                spec: row.try_get(4)?,
                revision: row.try_get(5)?,
                created_at_ms: row.try_get(6)?,
                updated_at_ms: row.try_get(7)?,
                mac: row.try_get(8)?,
            })
        })
        .fetch_all(&mut *transaction)
        .await?;
        let secrets = sqlx::query("SELECT kind, object_id, slot, sealed FROM secrets")
            .try_map(|row: SqliteRow| {
                Ok(SecretRow {
                    kind: row.try_get(0)?,
                    object_id: row.try_get(1)?,
                    slot: row.try_get(2)?,
                    sealed: row.try_get(3)?,
                })
            })
            .fetch_all(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok((head, Contents { objects, secrets }))
    }

    /// Makes `steps` the revision that follows `from`: all of them or, on any error, none.
    pub(crate) async fn commit(
        &mut self,
        from: &Head,
        steps: &[Step],
        keyring: &Keyring,
        signature: Signature<'_>,
    ) -> Result<Head, BackendError> {
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        let mut changed_marks = Vec::new();
        for step in steps {
            changed_marks.extend(step.write(&mut transaction).await?);
        }
        let next = from.next(keyring, changed_marks);
        for (seq, step) in (0_i64..).zip(steps) {
            step.log(&mut transaction, (next.revision, seq), signature)
                .await?;
        }
        let moved = sqlx::query(
            "UPDATE meta SET revision = ?1, content_fold = ?2, seal = ?3 \
             WHERE id = 1 AND revision = ?4 AND store_id = ?5",
        )
        .bind(signed(next.revision))
        .bind(next.content_fold.as_slice())
        .bind(&next.seal)
        .bind(signed(from.revision))
        .bind(&from.store_id)
        .execute(&mut *transaction)
        .await?;
        if moved.rows_affected() != 1 {
            return Err(BackendError::moved(from.revision));
        }
        sqlx::query("DELETE FROM changelog WHERE revision <= ?1")
            .bind(signed(next.revision).saturating_sub(signed(signature.history_revisions)))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(next)
    }

    /// Looks up the answer kept under `key`, unless its time is over.
    pub(crate) async fn answer(
        &mut self,
        key: &str,
        now_ms: u64,
    ) -> Result<Option<AnswerRow>, BackendError> {
        let row = sqlx::query(
            "SELECT key, request_hash, response, expires_at_ms FROM idempotency \
             WHERE key = ?1 AND expires_at_ms > ?2",
        )
        .bind(key)
        .bind(signed(now_ms))
        .try_map(|row: SqliteRow| {
            Ok(AnswerRow {
                key: row.try_get(0)?,
                request_hash: row.try_get(1)?,
                response: row.try_get(2)?,
                expires_at_ms: unsigned(row.try_get(3)?),
            })
        })
        .fetch_optional(&mut self.connection)
        .await?;
        Ok(row)
    }

    /// Keeps an answer, and forgets those whose time is over and the oldest beyond `limit`.
    pub(crate) async fn keep_answer(
        &mut self,
        answer: &AnswerRow,
        now_ms: u64,
        limit: u32,
    ) -> Result<(), BackendError> {
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("DELETE FROM idempotency WHERE expires_at_ms <= ?1")
            .bind(signed(now_ms))
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "INSERT OR REPLACE INTO idempotency (key, request_hash, response, expires_at_ms) \
             VALUES (?1, ?2, ?3, ?4)",
        )
        .bind(&answer.key)
        .bind(&answer.request_hash)
        .bind(&answer.response)
        .bind(signed(answer.expires_at_ms))
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "DELETE FROM idempotency WHERE key IN \
             (SELECT key FROM idempotency ORDER BY expires_at_ms DESC LIMIT -1 OFFSET ?1)",
        )
        .bind(limit)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Moves what the write-ahead log holds into the main file and onto the disk.
    ///
    /// After a failed write this is the proof that the disk works again: pages that a failed sync
    /// left in memory only are written anew.
    pub(crate) async fn checkpoint(&mut self) -> Result<(), BackendError> {
        self.execute("PRAGMA wal_checkpoint(TRUNCATE)").await
    }

    /// Closes the connection; the last one to close empties the write-ahead log.
    pub(crate) async fn close(self) -> Result<(), BackendError> {
        Ok(self.connection.close().await?)
    }

    async fn execute(&mut self, sql: &'static str) -> Result<(), BackendError> {
        sqlx::query(sql).execute(&mut self.connection).await?;
        Ok(())
    }
}

impl Step {
    /// Writes the object and its secrets; returns the marks that came and went.
    async fn write(&self, connection: &mut SqliteConnection) -> Result<Vec<Mark>, BackendError> {
        match self {
            Self::Put {
                row,
                secrets,
                emptied_slots,
                before: _,
            } => {
                let mut marks = remove_object(connection, &row.kind, &row.id).await?;
                marks.push(mark(&row.mac)?);
                insert_object(connection, row).await?;
                for slot in emptied_slots {
                    sqlx::query(
                        "DELETE FROM secrets WHERE kind = ?1 AND object_id = ?2 AND slot = ?3",
                    )
                    .bind(&row.kind)
                    .bind(&row.id)
                    .bind(slot)
                    .execute(&mut *connection)
                    .await?;
                }
                for secret in secrets {
                    insert_secret(connection, secret).await?;
                }
                Ok(marks)
            }
            Self::Delete { kind, id, .. } => {
                let (kind, id) = (kind.as_str(), id.to_string());
                sqlx::query("DELETE FROM secrets WHERE kind = ?1 AND object_id = ?2")
                    .bind(kind)
                    .bind(&id)
                    .execute(&mut *connection)
                    .await?;
                remove_object(connection, kind, &id).await
            }
        }
    }

    /// Adds the step to the change log.
    async fn log(
        &self,
        connection: &mut SqliteConnection,
        (revision, seq): (u64, i64),
        signature: Signature<'_>,
    ) -> Result<(), BackendError> {
        let query = sqlx::query(
            "INSERT INTO changelog (revision, seq, author, at_ms, kind, id, gateway_id, name, op, \
             before, after, secret_slots) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )
        .bind(signed(revision))
        .bind(seq)
        .bind(signature.author)
        .bind(signed(signature.at_ms));
        let query = match self {
            Self::Put {
                row,
                before,
                secrets,
                emptied_slots: _,
            } => {
                let slots: Vec<&str> = secrets.iter().map(|secret| secret.slot.as_str()).collect();
                query
                    .bind(&row.kind)
                    .bind(&row.id)
                    .bind(&row.gateway_id)
                    .bind(&row.name)
                    .bind(if before.is_some() { "update" } else { "create" })
                    .bind(before.as_deref())
                    .bind(Some(row.spec.as_str()))
                    .bind(serde_json::json!(slots).to_string())
            }
            Self::Delete {
                kind,
                id,
                gateway,
                name,
                before,
            } => query
                .bind(kind.as_str())
                .bind(id.to_string())
                .bind(gateway.map(|id| id.to_string()))
                .bind(name)
                .bind("delete")
                .bind(Some(before.as_str()))
                .bind(None::<&str>)
                .bind("[]"),
        };
        query.execute(connection).await?;
        Ok(())
    }
}

/// What a connection is opened for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Access {
    /// To read while another connection writes.
    Read,
    /// To write.
    Write,
}

async fn remove_object(
    connection: &mut SqliteConnection,
    kind: &str,
    id: &str,
) -> Result<Vec<Mark>, BackendError> {
    let removed: Option<Vec<u8>> =
        sqlx::query_scalar("DELETE FROM objects WHERE kind = ?1 AND id = ?2 RETURNING mac")
            .bind(kind)
            .bind(id)
            .fetch_optional(connection)
            .await?;
    removed.iter().map(|mac| mark(mac)).collect()
}

async fn insert_object(
    connection: &mut SqliteConnection,
    row: &ObjectRow,
) -> Result<(), BackendError> {
    sqlx::query(
        "INSERT INTO objects (kind, id, gateway_id, name, spec, revision, created_at_ms, \
         updated_at_ms, mac) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )
    .bind(&row.kind)
    .bind(&row.id)
    .bind(&row.gateway_id)
    .bind(&row.name)
    .bind(&row.spec)
    .bind(row.revision)
    .bind(row.created_at_ms)
    .bind(row.updated_at_ms)
    .bind(&row.mac)
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_secret(
    connection: &mut SqliteConnection,
    secret: &SecretRow,
) -> Result<(), BackendError> {
    sqlx::query(
        "INSERT OR REPLACE INTO secrets (kind, object_id, slot, sealed) VALUES (?1, ?2, ?3, ?4)",
    )
    .bind(&secret.kind)
    .bind(&secret.object_id)
    .bind(&secret.slot)
    .bind(&secret.sealed)
    .execute(connection)
    .await?;
    Ok(())
}

fn migration(&(version, name, sql): &(i64, &'static str, &'static str)) -> Migration {
    let sql = sql.into_sql_str();
    Migration::new(version, name.into(), MigrationType::Simple, sql, false)
}

fn head(row: &SqliteRow) -> Result<Head, sqlx::Error> {
    let fold: Vec<u8> = row.try_get(3)?;
    Ok(Head {
        store_id: row.try_get(0)?,
        key_id: row.try_get(1)?,
        revision: unsigned(row.try_get(2)?),
        content_fold: fold
            .try_into()
            .map_err(|_| sqlx::Error::Decode("content_fold has another length".into()))?,
        seal: row.try_get(4)?,
    })
}

/// Reads a mark that was authentic when it was loaded.
fn mark(bytes: &[u8]) -> Result<Mark, BackendError> {
    bytes
        .try_into()
        .map_err(|_| sqlx::Error::Decode("mac has another length".into()).into())
}

/// Says what an error of the database means for the file as a whole.
pub(crate) fn broken(path: &Path, source: BackendError) -> Broken {
    if source.is_corruption() {
        Broken::Damaged {
            path: path.into(),
            damage: Damage::Structure {
                message: source.to_string(),
            },
        }
    } else {
        Broken::Unavailable {
            path: path.into(),
            source,
        }
    }
}

/// SQL integers are signed; no revision or time reaches the half that is lost.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

/// Every schema change, oldest first. One that has been released is never altered.
const MIGRATIONS: [(i64, &str, &str); 1] = [(
    1,
    "configuration",
    include_str!("../migrations/sqlite/0001_configuration.sql"),
)];

/// Where a file says which migrations it has.
const MIGRATIONS_TABLE: &str = "_sqlx_migrations";

const SELECT_HEAD: &str =
    "SELECT store_id, key_id, revision, content_fold, seal FROM meta WHERE id = 1";

/// "AIGW", where the format of SQLite files has a place for the name of the application.
const APPLICATION_ID: i64 = 0x4149_4757;

/// How long to wait for another process that reads the file, such as a backup.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn of_too_many_answers_the_oldest_are_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.db");
        std::fs::write(&path, b"").unwrap();
        let mut database = Database::open(&path).await.unwrap();
        for (key, expires_at_ms) in [("a", 30), ("b", 10), ("c", 20), ("d", 40)] {
            let answer = AnswerRow {
                key: key.to_owned(),
                request_hash: Vec::new(),
                response: Vec::new(),
                expires_at_ms,
            };
            database.keep_answer(&answer, 5, 3).await.unwrap();
        }
        let mut kept = Vec::new();
        for key in ["a", "b", "c", "d"] {
            kept.push(database.answer(key, 5).await.unwrap().is_some());
        }
        assert_eq!(kept, [true, false, true, true]);
    }
}
