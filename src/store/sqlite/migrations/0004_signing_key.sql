-- The keys that sign, one after the other: each from `begins` on, until the next one does. A store of before has the
-- one that it was signed with, from the beginning of time.
CREATE TABLE signing_key (
    number         INTEGER PRIMARY KEY,
    public         TEXT NOT NULL UNIQUE,
    begins         INTEGER NOT NULL,
    by_predecessor TEXT,
    by_itself      TEXT
) STRICT;
INSERT INTO signing_key (number, public, begins)
SELECT 1, CAST(value AS TEXT), 0 FROM setting WHERE name = 'signing_key';
