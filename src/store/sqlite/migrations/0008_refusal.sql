-- The salt under which the entry of a refusal commits to the bytes refused, which are not kept themselves.
CREATE TABLE refusal (
    entry BLOB PRIMARY KEY,
    at    INTEGER NOT NULL,
    salt  BLOB NOT NULL
) STRICT, WITHOUT ROWID;
