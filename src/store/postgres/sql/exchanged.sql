SELECT d.number, d.id, d.created_at, k.organisation, k.kind, k.business_key, k.revision, k.received_digest, m.endpoint AS sent_by,
       d.organisation AS recipient, d.endpoint, coalesce(e.final_state, o.state) AS state, e.handed_over_at,
       (SELECT a.sent_digest FROM attempt a WHERE a.delivery = d.number AND a.delivery_created_at = d.created_at
          AND a.outcome = 'delivered' ORDER BY a.recorded_at LIMIT 1) AS sent_digest
FROM (SELECT * FROM delivery WHERE number >= $1 ORDER BY number LIMIT $2) d
JOIN message_key k ON k.number = d.message
LEFT JOIN message m ON m.number = k.number AND m.accepted_at = k.accepted_at
LEFT JOIN open_delivery o ON o.number = d.number
LEFT JOIN delivery_end e ON e.number = d.number
ORDER BY d.number
