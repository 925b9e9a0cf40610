-- The keys that sign, one after the other: each from `begins` on, until the next one does. A store of before has the
-- one that it was signed with, from the beginning of time.
CREATE TABLE signing_key (
    number         bigint PRIMARY KEY,
    public         text NOT NULL UNIQUE,
    begins         timestamptz NOT NULL,
    by_predecessor text,
    by_itself      text
);
INSERT INTO signing_key (number, public, begins)
SELECT 1, convert_from(value, 'UTF8'), to_timestamp(0) FROM setting WHERE name = 'signing_key';
