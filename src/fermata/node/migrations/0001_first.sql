CREATE TABLE entry (
    position INTEGER PRIMARY KEY,
    leaf BLOB NOT NULL,
    envelope_sha256 BLOB,
    row_hash BLOB NOT NULL
) STRICT;
CREATE INDEX entry_envelope ON entry (envelope_sha256);

-- One row: the largest head this node ever acted on.
CREATE TABLE head (
    position INTEGER PRIMARY KEY CHECK (position = 0),
    note BLOB NOT NULL,
    row_hash BLOB NOT NULL
) STRICT;

CREATE TABLE sealed (
    sha256 BLOB PRIMARY KEY,
    part BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE draft (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    slot TEXT NOT NULL UNIQUE,
    envelope BLOB NOT NULL,
    sealed_part BLOB NOT NULL,
    outcome TEXT,
    row_hash BLOB NOT NULL
) STRICT;

CREATE TABLE cosignature (
    size INTEGER NOT NULL,
    party TEXT NOT NULL,
    line BLOB NOT NULL,
    row_hash BLOB NOT NULL,
    PRIMARY KEY (size, party)
) STRICT, WITHOUT ROWID;

CREATE TABLE note (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL,
    row_hash BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
