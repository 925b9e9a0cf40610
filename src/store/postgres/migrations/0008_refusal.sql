-- The salt under which the entry of a refusal commits to the bytes refused, which are not kept themselves.
CREATE TABLE refusal (
    entry uuid PRIMARY KEY,
    at    timestamptz NOT NULL,
    salt  bytea NOT NULL
);
