-- Deliveries that have ended are opened, to be sent again; what was claimable in their lanes waits.
WITH again AS (
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::bigint[])
        AS n (number, endpoint, order_key, lane_sequence, at, lease)
),
waits AS (
    UPDATE open_delivery o SET claim_at = NULL
    FROM (SELECT DISTINCT order_key, endpoint FROM again) l
    WHERE o.order_key = l.order_key AND o.endpoint = l.endpoint AND o.claim_at IS NOT NULL
)
INSERT INTO open_delivery (number, endpoint, order_key, lane_sequence, state, released, next_attempt_at, lease, again)
SELECT number, endpoint, order_key, lane_sequence, 'ready', true, at, lease, true FROM again
