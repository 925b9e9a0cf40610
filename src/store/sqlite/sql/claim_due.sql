SELECT o.number, o.again, o.state, d.acknowledgement, o.lease, d.id, k.id AS message, k.kind, o.endpoint, d.organisation,
       d.on_behalf_of, d.part, d.share, d.redaction, o.lane_sequence, o.attempts, m.accepted_at, o.first_attempt_at,
       m.canonical AS body
FROM open_delivery o
CROSS JOIN delivery d ON d.number = o.number
CROSS JOIN message_key k ON k.number = d.message
CROSS JOIN message m ON m.number = d.message
WHERE o.endpoint = ?1 AND o.claim_at <= ?2
ORDER BY o.claim_at, o.number
LIMIT ?3
