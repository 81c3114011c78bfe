-- The first schema. Every row ends in the SHA-256 of its table and its other columns.
-- Statements are parted at semicolons, so none stands inside one.

CREATE TABLE binding (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    deployment BLOB NOT NULL,
    digest BLOB NOT NULL
) STRICT;

CREATE TABLE entries (
    position INTEGER PRIMARY KEY,
    envelope_sha256 BLOB,
    leaf BLOB NOT NULL,
    digest BLOB NOT NULL
) STRICT;

-- Not unique: a log that repeats an envelope is kept as it is, and the fold rejects the second.
CREATE INDEX entries_by_envelope ON entries (envelope_sha256, position);

CREATE TABLE heads (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    checkpoint BLOB NOT NULL,
    digest BLOB NOT NULL
) STRICT;

CREATE TABLE sealed (
    sha256 BLOB PRIMARY KEY,
    data BLOB NOT NULL,
    digest BLOB NOT NULL
) STRICT;

CREATE TABLE drafts (
    slot TEXT PRIMARY KEY,
    position INTEGER NOT NULL UNIQUE,
    envelope BLOB NOT NULL,
    sealed_part BLOB NOT NULL,
    outcome TEXT,
    digest BLOB NOT NULL
) STRICT;

CREATE TABLE cosignatures (
    size INTEGER NOT NULL,
    party TEXT NOT NULL,
    line BLOB NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (size, party)
) STRICT;

CREATE TABLE notes (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL,
    digest BLOB NOT NULL
) STRICT;

-- Number of rows of each table, and the sum of their digests modulo 2^256, so that a row that
-- is gone is missed.
CREATE TABLE totals (
    name TEXT PRIMARY KEY,
    count INTEGER NOT NULL,
    digest_sum BLOB NOT NULL,
    digest BLOB NOT NULL
) STRICT;
