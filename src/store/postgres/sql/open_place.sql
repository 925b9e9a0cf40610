UPDATE open_delivery o
SET state = n.state, next_attempt_at = n.at, park_reason = n.reason, detail = n.detail, attempts = n.attempts,
    first_attempt_at = n.first_attempt_at, released = n.released, claim_at = NULL, lease_until = NULL, not_after = NULL
FROM unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::bigint[], $7::timestamptz[],
            $8::boolean[])
    AS n (number, state, at, reason, detail, attempts, first_attempt_at, released)
WHERE o.number = n.number
