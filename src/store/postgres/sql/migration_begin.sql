SET LOCAL lock_timeout = '5min';
SET LOCAL statement_timeout = 0;
SELECT pg_advisory_xact_lock(19524, 1);
CREATE TABLE IF NOT EXISTS migration (
    number bigint PRIMARY KEY, name text NOT NULL, sha256 bytea NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp());
