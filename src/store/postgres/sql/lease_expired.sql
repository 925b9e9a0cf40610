SELECT d.id, k.id AS message, k.kind, o.endpoint, d.organisation, d.on_behalf_of, d.part, d.share, d.redaction,
       o.lane_sequence, o.attempts, o.lease, o.not_after, k.accepted_at, o.first_attempt_at, ''::bytea AS body,
       ARRAY(
           SELECT h.id FROM delivery h JOIN open_delivery ho ON ho.number = h.number
           WHERE h.first_hop = o.number AND h.relay = 'confirm' AND ho.state = 'held'
           ORDER BY h.number
       ) AS relays
FROM open_delivery o
JOIN delivery d ON d.number = o.number
JOIN message_key k ON k.number = d.message
WHERE o.lease_until < $1
ORDER BY o.lease_until, o.number
LIMIT $2
