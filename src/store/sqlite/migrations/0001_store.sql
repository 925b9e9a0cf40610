-- The embedded store. Ids are 16-byte UUIDs, times are microseconds since 1970 in UTC, days are
-- YYYY-MM-DD in China time, words are those of the domain. `number` is the order of acceptance.

-- Narrow and never pruned: (organisation, kind, business key, revision) is unique for ever.
CREATE TABLE message_key (
    number          INTEGER PRIMARY KEY,
    id              BLOB NOT NULL UNIQUE,
    business_key    TEXT NOT NULL,
    kind            TEXT NOT NULL,
    organisation    TEXT NOT NULL,
    revision        INTEGER NOT NULL,
    received_digest BLOB NOT NULL,
    content_digest  BLOB NOT NULL,
    receipt         BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX message_key_once ON message_key (business_key, kind, organisation, revision);

-- What a message said; personal, so its term may end before that of its key.
CREATE TABLE message (
    number      INTEGER PRIMARY KEY REFERENCES message_key (number),
    matter      TEXT NOT NULL,
    endpoint    TEXT NOT NULL,
    accepted_at INTEGER NOT NULL,
    received    BLOB NOT NULL,
    salt        BLOB NOT NULL,
    canonical   BLOB NOT NULL,
    decision    BLOB NOT NULL
) STRICT;

-- One counter an order key: the lane sequences of its deliveries.
CREATE TABLE order_key (
    number        INTEGER PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    last_sequence INTEGER NOT NULL
) STRICT;

-- Every delivery for ever: what it is, what its recipient said, how it ended.
CREATE TABLE delivery (
    number          INTEGER PRIMARY KEY,
    id              BLOB NOT NULL UNIQUE,
    message         INTEGER NOT NULL REFERENCES message_key (number),
    organisation    TEXT,
    endpoint        TEXT CHECK (endpoint IS NULL OR organisation IS NOT NULL),
    part            TEXT NOT NULL,
    share           TEXT,
    on_behalf_of    TEXT,
    redaction       TEXT NOT NULL,
    rule            TEXT NOT NULL,
    order_key       INTEGER NOT NULL REFERENCES order_key (number),
    lane_sequence   INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    first_hop       INTEGER REFERENCES delivery (number),
    moment          TEXT CHECK ((moment IS NULL) = (first_hop IS NULL)),
    relay           TEXT CHECK ((relay IS NULL) = (first_hop IS NULL)),
    authorisation   TEXT,
    acknowledgement TEXT NOT NULL DEFAULT 'none',
    acknowledged_at INTEGER,
    final_state     TEXT,
    ended_at        INTEGER,
    attempts        INTEGER,
    lease           INTEGER,
    detail          TEXT,
    handed_over_at  INTEGER,
    document        TEXT
) STRICT;
CREATE INDEX delivery_of_message ON delivery (message);
CREATE INDEX delivery_of_organisation ON delivery (organisation);
CREATE INDEX delivery_second_hop ON delivery (first_hop) WHERE first_hop IS NOT NULL;
CREATE INDEX delivery_ended_by_hand ON delivery (final_state)
    WHERE final_state <> 'delivered';

-- Narrow and hot: the deliveries that are not final. The lane is (order_key, endpoint); without an
-- endpoint there is none. `claim_at` is set exactly while the delivery heads its lane and is ready or
-- scheduled, so that claiming is one range of one small index.
CREATE TABLE open_delivery (
    number           INTEGER PRIMARY KEY REFERENCES delivery (number),
    endpoint         TEXT,
    order_key        INTEGER NOT NULL,
    lane_sequence    INTEGER NOT NULL,
    -- Not `IN`: SQLite would make a table of the words each time it checks one.
    state            TEXT NOT NULL CHECK (
        state = 'ready' OR state = 'leased' OR state = 'scheduled' OR state = 'held' OR state = 'parked'),
    released         INTEGER NOT NULL,
    next_attempt_at  INTEGER NOT NULL,
    claim_at         INTEGER CHECK (claim_at IS NULL OR (endpoint IS NOT NULL AND state IN ('ready', 'scheduled'))),
    attempts         INTEGER NOT NULL DEFAULT 0,
    first_attempt_at INTEGER,
    lease            INTEGER NOT NULL DEFAULT 0,
    lease_until      INTEGER,
    not_after        INTEGER,
    park_reason      TEXT CHECK ((park_reason IS NULL) = (state <> 'parked')),
    detail           TEXT
) STRICT;
CREATE UNIQUE INDEX open_delivery_lane ON open_delivery (order_key, endpoint, lane_sequence)
    WHERE endpoint IS NOT NULL;
CREATE INDEX open_delivery_claim ON open_delivery (endpoint, claim_at) WHERE claim_at IS NOT NULL;
CREATE INDEX open_delivery_lease ON open_delivery (lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX open_delivery_stopped ON open_delivery (state) WHERE state IN ('held', 'parked');

-- Counts, kept with each change: a listing of millions is never counted on the way to a screen.
CREATE TABLE delivery_count (
    organisation    TEXT NOT NULL,
    state           TEXT NOT NULL,
    acknowledgement TEXT NOT NULL,
    retried         INTEGER NOT NULL,
    deliveries      INTEGER NOT NULL CHECK (deliveries >= 0),
    PRIMARY KEY (organisation, state, acknowledgement, retried)
) STRICT, WITHOUT ROWID;

-- One attempt's end as it was reported; the same lease may report once a way to end.
CREATE TABLE attempt (
    delivery        INTEGER NOT NULL REFERENCES delivery (number),
    lease           INTEGER NOT NULL,
    outcome         TEXT NOT NULL,
    recorded_at     INTEGER NOT NULL,
    attempt         INTEGER NOT NULL,
    started_at      INTEGER NOT NULL,
    ended_at        INTEGER NOT NULL,
    peer            TEXT NOT NULL,
    sent_digest     BLOB,
    answer_digest   BLOB,
    status          INTEGER,
    detail          TEXT NOT NULL,
    adapter_version TEXT NOT NULL,
    PRIMARY KEY (delivery, lease, outcome)
) STRICT, WITHOUT ROWID;

CREATE TABLE obligation (
    number       INTEGER PRIMARY KEY,
    message      INTEGER NOT NULL REFERENCES message_key (number),
    delivery     INTEGER REFERENCES delivery (number),
    organisation TEXT NOT NULL,
    duty         TEXT NOT NULL,
    due          TEXT NOT NULL,
    calendar     TEXT NOT NULL,
    term         TEXT NOT NULL,
    rule         TEXT NOT NULL,
    basis        TEXT NOT NULL,
    state        TEXT NOT NULL,
    closed_at    INTEGER
) STRICT;
CREATE INDEX obligation_of_message ON obligation (message);
CREATE INDEX obligation_of_delivery ON obligation (delivery) WHERE delivery IS NOT NULL;
CREATE INDEX obligation_open ON obligation (due) WHERE state = 'open';

CREATE TABLE licence (
    kind     TEXT NOT NULL,
    number   TEXT NOT NULL,
    issuer   TEXT NOT NULL,
    PRIMARY KEY (kind, number)
) STRICT, WITHOUT ROWID;

-- The trail: entries are written once and never touched; sealing moves them from one narrow table to
-- another.
CREATE TABLE trail (
    number   INTEGER PRIMARY KEY,
    id       BLOB NOT NULL UNIQUE,
    at       INTEGER NOT NULL,
    event    TEXT NOT NULL,
    message  BLOB,
    delivery BLOB,
    body     BLOB NOT NULL
) STRICT;
CREATE INDEX trail_of_message ON trail (message) WHERE message IS NOT NULL;
CREATE INDEX trail_of_delivery ON trail (delivery) WHERE delivery IS NOT NULL;
CREATE TABLE trail_unsealed (entry INTEGER PRIMARY KEY REFERENCES trail (number)) STRICT;
CREATE TABLE trail_sealed (
    position INTEGER PRIMARY KEY,
    entry    INTEGER NOT NULL UNIQUE REFERENCES trail (number)
) STRICT;
CREATE TABLE sealer (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    size       INTEGER NOT NULL,
    frontier   BLOB NOT NULL,
    checkpoint TEXT
) STRICT;
INSERT INTO sealer (one, size, frontier) VALUES (1, 0, x'');
CREATE TABLE checkpoint (
    number INTEGER PRIMARY KEY,
    size   INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    note   TEXT NOT NULL
) STRICT;
CREATE INDEX checkpoint_by_size ON checkpoint (size);

CREATE TABLE token (
    number     INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    hash       BLOB NOT NULL,
    endpoint   TEXT,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
CREATE UNIQUE INDEX token_live ON token (name) WHERE revoked_at IS NULL;

CREATE TABLE snapshot (
    subject TEXT NOT NULL,
    version INTEGER NOT NULL,
    digest  BLOB NOT NULL,
    content BLOB NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (subject, version),
    UNIQUE (subject, digest)
) STRICT;

CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
