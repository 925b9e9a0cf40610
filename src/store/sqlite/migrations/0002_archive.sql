-- What was archived and left the store: everything from before `until`, the trail up to `size`. Rows stay for ever.
CREATE TABLE archive (
    until      INTEGER PRIMARY KEY,
    size       INTEGER NOT NULL,
    frontier   BLOB NOT NULL,
    checkpoint TEXT,
    manifest   BLOB NOT NULL
) STRICT;
