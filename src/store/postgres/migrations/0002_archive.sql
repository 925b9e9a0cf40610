-- What was archived and left the store: everything from before `until`, the trail up to `size`. Rows stay for ever.
CREATE TABLE archive (
    until      timestamptz PRIMARY KEY,
    size       bigint NOT NULL,
    frontier   bytea NOT NULL,
    checkpoint text,
    manifest   bytea NOT NULL
);
