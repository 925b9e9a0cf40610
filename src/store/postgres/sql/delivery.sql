SELECT d.id, k.id AS message, k.organisation, k.kind, k.business_key, d.organisation AS recipient, d.endpoint, d.part,
       d.on_behalf_of, d.rule, coalesce(e.final_state, o.state) AS state, d.acknowledgement, d.lane_sequence,
       coalesce(e.attempts, o.attempts) AS attempts, d.created_at, o.next_attempt_at, o.park_reason,
       CASE WHEN e.final_state IS NULL THEN o.detail ELSE e.detail END AS detail, e.handed_over_at, d.acknowledged_at, e.document, f.id AS after,
       CASE WHEN o.again THEN o.state END AS sent_again
FROM delivery d
JOIN message_key k ON k.number = d.message
LEFT JOIN open_delivery o ON o.number = d.number
LEFT JOIN delivery_end e ON e.number = d.number
LEFT JOIN delivery f ON f.number = d.first_hop
