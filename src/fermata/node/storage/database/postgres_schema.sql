-- The rows of rows.py. Every row ends in the SHA-256 of its table and its other columns. Text sorts
-- by its bytes, whatever the server's locale.

CREATE TABLE binding (
    id BIGINT PRIMARY KEY CHECK (id = 0),
    deployment BYTEA NOT NULL,
    digest BYTEA NOT NULL
);

CREATE TABLE owner (
    id BIGINT PRIMARY KEY CHECK (id = 0),
    owner TEXT COLLATE "C" NOT NULL,
    digest BYTEA NOT NULL
);

CREATE TABLE entries (
    position BIGINT PRIMARY KEY,
    envelope_sha256 BYTEA,
    leaf BYTEA NOT NULL,
    digest BYTEA NOT NULL
);

-- Not unique: a log that repeats an envelope is kept as it is, and the fold rejects the second.
CREATE INDEX entries_by_envelope ON entries (envelope_sha256, position);

CREATE TABLE heads (
    id BIGINT PRIMARY KEY CHECK (id = 0),
    checkpoint BYTEA NOT NULL,
    digest BYTEA NOT NULL
);

CREATE TABLE sealed (
    sha256 BYTEA PRIMARY KEY,
    data BYTEA NOT NULL,
    digest BYTEA NOT NULL
);

CREATE TABLE drafts (
    slot TEXT COLLATE "C" PRIMARY KEY,
    position BIGINT NOT NULL UNIQUE,
    envelope BYTEA NOT NULL,
    sealed_part BYTEA NOT NULL,
    outcome TEXT COLLATE "C",
    digest BYTEA NOT NULL
);

CREATE TABLE cosignatures (
    size BIGINT NOT NULL,
    party TEXT COLLATE "C" NOT NULL,
    line BYTEA NOT NULL,
    digest BYTEA NOT NULL,
    PRIMARY KEY (size, party)
);

CREATE TABLE notes (
    name TEXT COLLATE "C" PRIMARY KEY,
    value BYTEA NOT NULL,
    digest BYTEA NOT NULL
);

CREATE TABLE totals (
    name TEXT COLLATE "C" PRIMARY KEY,
    count BIGINT NOT NULL,
    digest_sum BYTEA NOT NULL,
    digest BYTEA NOT NULL
);

-- Who may write: the holder of the newest token, whose lease runs from ``renewed``. Every
-- transaction of a writer locks this row and looks whether the token is still its own.
CREATE TABLE writer (
    id BIGINT PRIMARY KEY CHECK (id = 0),
    schema_version BIGINT NOT NULL,
    token BIGINT NOT NULL,
    renewed TIMESTAMPTZ NOT NULL,
    lease_ms BIGINT NOT NULL
);
