-- Time stamps that an authority gave for checkpoints; one covers those before it.
CREATE TABLE stamp (
    size  INTEGER PRIMARY KEY,
    note  TEXT NOT NULL,
    at    INTEGER NOT NULL,
    token BLOB NOT NULL
) STRICT;
