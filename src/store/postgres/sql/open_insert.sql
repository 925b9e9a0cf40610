INSERT INTO open_delivery (number, endpoint, order_key, lane_sequence, state, released, next_attempt_at, claim_at,
                           park_reason, detail)
SELECT n.number, n.endpoint, n.order_key, n.lane_sequence, n.state, n.released, $7, n.claim_at, n.park_reason, n.detail
FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::boolean[], $8::timestamptz[], $9::text[],
            $10::text[])
    AS n (number, endpoint, order_key, lane_sequence, state, released, claim_at, park_reason, detail)
