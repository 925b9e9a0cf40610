WITH due AS MATERIALIZED (
    SELECT o.number, o.claim_at, o.state, want.place
    FROM unnest($1::text[], $2::bigint[], $3::timestamptz[]) WITH ORDINALITY AS want (endpoint, wanted, floor, place)
    CROSS JOIN LATERAL (
        SELECT d.number, d.claim_at, d.state
        FROM open_delivery d
        WHERE d.endpoint = want.endpoint AND d.claim_at <= $4 AND d.claim_at >= coalesce(want.floor, '-infinity')
        ORDER BY d.claim_at, d.number
        LIMIT want.wanted
        FOR UPDATE SKIP LOCKED
    ) o
),
leased AS (
    UPDATE open_delivery o
    SET state = 'leased', claim_at = NULL, lease = o.lease + 1, lease_until = $5, not_after = $6
    FROM due
    WHERE o.number = due.number
    RETURNING o.number, o.endpoint, o.lane_sequence, o.attempts, o.lease, o.not_after, o.first_attempt_at, due.claim_at,
              due.state AS was, due.place, o.again
)
SELECT l.claim_at, l.was, l.again, d.acknowledgement, d.id, k.id AS message, k.kind, l.endpoint, d.organisation, d.on_behalf_of,
       d.part, d.share, d.redaction, l.lane_sequence, l.attempts, l.lease, l.not_after, m.accepted_at, l.first_attempt_at,
       m.canonical AS body,
       ARRAY(
           SELECT h.id FROM delivery h JOIN open_delivery ho ON ho.number = h.number
           WHERE h.first_hop = l.number AND h.relay = 'confirm' AND ho.state = 'held'
           ORDER BY h.number
       ) AS relays
FROM leased l
JOIN delivery d ON d.number = l.number
JOIN message_key k ON k.number = d.message
JOIN message m ON m.number = k.number AND m.accepted_at = k.accepted_at
ORDER BY l.place, l.claim_at, l.number
