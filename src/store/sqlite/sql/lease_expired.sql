SELECT o.number, o.lease, o.not_after, d.id, k.id AS message, k.kind, o.endpoint, d.organisation, d.on_behalf_of, d.part, d.share, d.redaction,
       o.lane_sequence, o.attempts, m.accepted_at, o.first_attempt_at, x'' AS body
FROM open_delivery o
CROSS JOIN delivery d ON d.number = o.number
CROSS JOIN message_key k ON k.number = d.message
CROSS JOIN message m ON m.number = d.message
WHERE o.lease_until < ?1
ORDER BY o.lease_until, o.number
LIMIT ?2
