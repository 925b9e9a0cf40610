-- The store on PostgreSQL. Tables and columns are named as in the embedded store where they mean the same;
-- `number` rises with acceptance, and is unique over all hubs. Text that is looked up has the collation "C":
-- no change of the machine's own sort order can make an index wrong.
--
-- No foreign keys: everything that refers to something is written in the transaction that writes or locks
-- it, and what is named from outside is looked up first, so that a key could only find a fault of the
-- store's own code; in exchange no row of a partition that retention drops is referred to from elsewhere, and
-- a batch of thousands of rows does not lock its parents one by one.

CREATE SEQUENCE message_number;
CREATE SEQUENCE delivery_number;

-- Narrow, in one piece and never pruned: (organisation, kind, business key, revision) is unique for ever.
-- `accepted_at` finds the partition of the message.
CREATE TABLE message_key (
    number          bigint PRIMARY KEY,
    id              uuid NOT NULL UNIQUE,
    business_key    text COLLATE "C" NOT NULL,
    kind            text COLLATE "C" NOT NULL,
    organisation    text COLLATE "C" NOT NULL,
    revision        bigint NOT NULL,
    accepted_at     timestamptz NOT NULL,
    received_digest bytea NOT NULL,
    content_digest  bytea NOT NULL,
    receipt         bytea NOT NULL
);
CREATE UNIQUE INDEX message_key_once ON message_key (business_key, kind, organisation, revision);

-- What a message said; personal, so its term may end before that of its key. A partition a month.
CREATE TABLE message (
    number      bigint NOT NULL,
    accepted_at timestamptz NOT NULL,
    matter      text NOT NULL,
    endpoint    text NOT NULL,
    received    bytea NOT NULL,
    salt        bytea NOT NULL,
    canonical   bytea NOT NULL,
    decision    bytea NOT NULL,
    PRIMARY KEY (number, accepted_at)
) PARTITION BY RANGE (accepted_at);
CREATE TABLE message_default PARTITION OF message DEFAULT;

-- One counter an order key: the lane sequences of its deliveries. Its row is locked by whoever appends to a
-- lane or ends something in it, so that each sees what the other did.
CREATE TABLE order_key (
    number        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text COLLATE "C" NOT NULL UNIQUE,
    last_sequence bigint NOT NULL
) WITH (fillfactor = 80);

-- Every delivery for ever: what it is and what its recipient said.
CREATE TABLE delivery (
    number          bigint PRIMARY KEY,
    id              uuid NOT NULL UNIQUE,
    message         bigint NOT NULL,
    organisation    text COLLATE "C",
    endpoint        text COLLATE "C" CHECK (endpoint IS NULL OR organisation IS NOT NULL),
    part            text NOT NULL,
    share           text,
    on_behalf_of    text,
    redaction       text NOT NULL,
    rule            text NOT NULL,
    order_key       bigint NOT NULL,
    lane_sequence   bigint NOT NULL,
    created_at      timestamptz NOT NULL,
    first_hop       bigint,
    moment          text CHECK ((moment IS NULL) = (first_hop IS NULL)),
    relay           text CHECK ((relay IS NULL) = (first_hop IS NULL)),
    authorisation   text,
    acknowledgement text NOT NULL DEFAULT 'none',
    acknowledged_at timestamptz
) WITH (fillfactor = 90);
CREATE INDEX delivery_of_message ON delivery (message);
CREATE INDEX delivery_of_organisation ON delivery (organisation);
CREATE INDEX delivery_second_hop ON delivery (first_hop) WHERE first_hop IS NOT NULL;

-- How a delivery ended; written once, so that the wide row beside it is not written again.
CREATE TABLE delivery_end (
    number         bigint PRIMARY KEY,
    final_state    text NOT NULL
        CHECK (final_state IN ('delivered', 'served_offline', 'skipped', 'superseded', 'withdrawn')),
    ended_at       timestamptz NOT NULL,
    attempts       bigint NOT NULL,
    lease          bigint NOT NULL,
    detail         text,
    handed_over_at timestamptz,
    document       text
);
CREATE INDEX delivery_ended_by_hand ON delivery_end (final_state)
    WHERE final_state IN ('served_offline', 'skipped', 'superseded', 'withdrawn');

-- Narrow and hot: the deliveries that are not final. The lane is (order_key, endpoint); without an
-- endpoint there is none. `claim_at` is set exactly while the delivery heads its lane and is ready or
-- scheduled, so that claiming is one range of one small index. Rows live for moments: it is vacuumed by
-- count and without pauses, and its pages keep room for the next versions.
CREATE TABLE open_delivery (
    number           bigint PRIMARY KEY,
    endpoint         text COLLATE "C",
    order_key        bigint NOT NULL,
    lane_sequence    bigint NOT NULL,
    state            text NOT NULL CHECK (state IN ('held', 'ready', 'leased', 'scheduled', 'parked')),
    released         boolean NOT NULL,
    next_attempt_at  timestamptz NOT NULL,
    claim_at         timestamptz
        CHECK (claim_at IS NULL OR (endpoint IS NOT NULL AND state IN ('ready', 'scheduled'))),
    attempts         bigint NOT NULL DEFAULT 0,
    first_attempt_at timestamptz,
    lease            bigint NOT NULL DEFAULT 0,
    lease_until      timestamptz,
    not_after        timestamptz,
    park_reason      text CHECK ((park_reason IS NULL) = (state <> 'parked')),
    detail           text
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.2,
        autovacuum_analyze_threshold = 5000);
CREATE UNIQUE INDEX open_delivery_lane ON open_delivery (order_key, endpoint, lane_sequence)
    WHERE endpoint IS NOT NULL;
CREATE INDEX open_delivery_claim ON open_delivery (endpoint, claim_at, number) WHERE claim_at IS NOT NULL;
CREATE INDEX open_delivery_lease ON open_delivery (lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX open_delivery_stopped ON open_delivery (state) WHERE state IN ('held', 'parked');

-- Counts. Every transaction appends its changes, so that hubs never wait for each other's counters; they are
-- folded into the totals now and then. A count is the sum of both.
CREATE TABLE delivery_count (
    organisation    text COLLATE "C" NOT NULL,
    state           text COLLATE "C" NOT NULL,
    acknowledgement text COLLATE "C" NOT NULL,
    retried         boolean NOT NULL,
    deliveries      bigint NOT NULL,
    PRIMARY KEY (organisation, state, acknowledgement, retried)
) WITH (fillfactor = 50);
CREATE TABLE delivery_count_change (
    organisation    text COLLATE "C" NOT NULL,
    state           text COLLATE "C" NOT NULL,
    acknowledgement text COLLATE "C" NOT NULL,
    retried         boolean NOT NULL,
    deliveries      bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_cost_delay = 0);

-- One attempt's end as it was reported; the same lease may report once a way to end. A partition a month
-- of its delivery's creation, so that the key is whole in one partition.
CREATE TABLE attempt (
    delivery            bigint NOT NULL,
    delivery_created_at timestamptz NOT NULL,
    lease               bigint NOT NULL,
    outcome             text COLLATE "C" NOT NULL,
    recorded_at         timestamptz NOT NULL,
    attempt             bigint NOT NULL,
    started_at          timestamptz NOT NULL,
    ended_at            timestamptz NOT NULL,
    peer                text NOT NULL,
    sent_digest         bytea,
    answer_digest       bytea,
    status              integer,
    detail              text NOT NULL,
    adapter_version     text NOT NULL,
    PRIMARY KEY (delivery, lease, outcome, delivery_created_at)
) PARTITION BY RANGE (delivery_created_at);
CREATE TABLE attempt_default PARTITION OF attempt DEFAULT;

CREATE TABLE obligation (
    number       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message      bigint NOT NULL,
    delivery     bigint,
    organisation text NOT NULL,
    duty         text NOT NULL,
    due          date NOT NULL,
    calendar     text NOT NULL,
    term         text NOT NULL,
    rule         text NOT NULL,
    basis        text NOT NULL,
    state        text NOT NULL,
    closed_at    timestamptz
);
CREATE INDEX obligation_of_message ON obligation (message);
CREATE INDEX obligation_of_delivery ON obligation (delivery) WHERE delivery IS NOT NULL;
CREATE INDEX obligation_open ON obligation (due, number) WHERE state = 'open';

CREATE TABLE licence (
    kind   text COLLATE "C" NOT NULL,
    number text COLLATE "C" NOT NULL,
    issuer text NOT NULL,
    PRIMARY KEY (kind, number)
);

-- The trail: entries are written once and never touched; sealing moves them from one narrow table to
-- another. Ids are version 7, so their order is that of time. A partition a month.
CREATE TABLE trail (
    id       uuid NOT NULL,
    at       timestamptz NOT NULL,
    event    text NOT NULL,
    message  uuid,
    delivery uuid,
    body     bytea NOT NULL,
    PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
CREATE INDEX trail_of_message ON trail (message) WHERE message IS NOT NULL;
CREATE INDEX trail_of_delivery ON trail (delivery) WHERE delivery IS NOT NULL;
CREATE TABLE trail_default PARTITION OF trail DEFAULT;
CREATE TABLE trail_unsealed (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_cost_delay = 0);
CREATE TABLE trail_sealed (
    position bigint PRIMARY KEY,
    id       uuid NOT NULL UNIQUE,
    at       timestamptz NOT NULL
);
CREATE TABLE sealer (
    one        integer PRIMARY KEY CHECK (one = 1),
    size       bigint NOT NULL,
    frontier   bytea NOT NULL,
    checkpoint text
);
INSERT INTO sealer (one, size, frontier) VALUES (1, 0, '');
CREATE TABLE checkpoint (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    size   bigint NOT NULL,
    at     timestamptz NOT NULL,
    note   text NOT NULL
);
CREATE INDEX checkpoint_by_size ON checkpoint (size, number);

CREATE TABLE token (
    number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text COLLATE "C" NOT NULL,
    hash       bytea NOT NULL,
    endpoint   text,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE UNIQUE INDEX token_live ON token (name) WHERE revoked_at IS NULL;

CREATE TABLE snapshot (
    subject text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    digest  bytea NOT NULL,
    content bytea NOT NULL,
    at      timestamptz NOT NULL,
    PRIMARY KEY (subject, version),
    UNIQUE (subject, digest)
);

CREATE TABLE setting (
    name  text COLLATE "C" PRIMARY KEY,
    value bytea NOT NULL
);
