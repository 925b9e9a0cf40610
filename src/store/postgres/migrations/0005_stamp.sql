-- Time stamps that an authority gave for checkpoints; one covers those before it.
CREATE TABLE stamp (
    size  bigint PRIMARY KEY,
    note  text NOT NULL,
    at    timestamptz NOT NULL,
    token bytea NOT NULL
);
