SELECT d.id, k.id AS message, k.organisation, k.kind, k.business_key, d.organisation AS recipient, d.endpoint, d.part,
       d.on_behalf_of, d.rule, coalesce(d.final_state, o.state) AS state, d.acknowledgement, d.lane_sequence,
       coalesce(d.attempts, o.attempts) AS attempts, d.created_at, o.next_attempt_at, o.park_reason,
       CASE WHEN d.final_state IS NULL THEN o.detail ELSE d.detail END AS detail, d.handed_over_at, d.acknowledged_at, d.document, f.id AS after,
       CASE WHEN o.again THEN o.state END AS sent_again
FROM delivery d
JOIN message_key k ON k.number = d.message
LEFT JOIN open_delivery o ON o.number = d.number
LEFT JOIN delivery f ON f.number = d.first_hop
