-- Whose store it is. A coordinator on an auditor's store would answer for a log that it never wrote.

CREATE TABLE owner (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    owner TEXT NOT NULL,
    digest BLOB NOT NULL
) STRICT;
