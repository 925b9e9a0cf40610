SELECT d.number, k.id AS message, d.organisation, d.endpoint, d.order_key, d.lane_sequence, d.created_at, d.acknowledgement,
       d.first_hop, d.moment, d.relay, coalesce(o.released, 1) AS released, coalesce(d.final_state, o.state) AS state,
       coalesce(d.attempts, o.attempts) AS attempts, o.first_attempt_at, coalesce(o.lease, d.lease) AS lease,
       CASE WHEN d.final_state IS NULL THEN o.detail ELSE d.detail END AS detail, CASE WHEN o.again THEN o.state END AS again, o.attempts AS again_attempts,
       d.lease AS settled_lease
FROM delivery d CROSS JOIN message_key k ON k.number = d.message LEFT JOIN open_delivery o ON o.number = d.number
