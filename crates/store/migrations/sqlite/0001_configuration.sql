-- Marks the file as ours: "AIGW".
PRAGMA application_id = 1095321431;

-- One row: whose store this is, under which master key, and at which revision.
-- `content_fold` and `seal` let the reader notice a row that was altered, lost or brought back.
CREATE TABLE meta (
    id           INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    store_id     TEXT    NOT NULL,
    key_id       TEXT    NOT NULL,
    revision     INTEGER NOT NULL CHECK (revision >= 0),
    content_fold BLOB    NOT NULL,
    seal         BLOB    NOT NULL
) STRICT;

-- What is configured now. `spec` is JSON without secrets; names are unique among the objects of a
-- kind in a gateway, which the model checks before anything is written.
CREATE TABLE objects (
    kind          TEXT    NOT NULL,
    id            TEXT    NOT NULL,
    gateway_id    TEXT,
    name          TEXT    NOT NULL,
    spec          TEXT    NOT NULL,
    revision      INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL,
    mac           BLOB    NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

-- The secrets of `objects`, encrypted under the key that `meta` names.
CREATE TABLE secrets (
    kind      TEXT NOT NULL,
    object_id TEXT NOT NULL,
    slot      TEXT NOT NULL,
    sealed    BLOB NOT NULL,
    PRIMARY KEY (kind, object_id, slot)
) STRICT, WITHOUT ROWID;

-- Every change, oldest first; `secret_slots` names the secrets that it set, never their values.
CREATE TABLE changelog (
    revision     INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    kind         TEXT    NOT NULL,
    id           TEXT    NOT NULL,
    gateway_id   TEXT,
    name         TEXT    NOT NULL,
    op           TEXT    NOT NULL CHECK (op IN ('create', 'update', 'delete')),
    before       TEXT,
    after        TEXT,
    secret_slots TEXT    NOT NULL,
    author       TEXT    NOT NULL,
    at_ms        INTEGER NOT NULL,
    PRIMARY KEY (revision, seq)
) STRICT, WITHOUT ROWID;

-- Answers kept for requests that are sent again under the same key; encrypted, since the answer to
-- the creation of an API key holds that key.
CREATE TABLE idempotency (
    key           TEXT    NOT NULL PRIMARY KEY,
    request_hash  BLOB    NOT NULL,
    response      BLOB    NOT NULL,
    expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_by_expiry ON idempotency (expires_at_ms);
