-- The deliveries of the messages of some, how far their order keys have gone, and whether what the message said is there.
SELECT DISTINCT d.number, d.order_key, d.endpoint, d.lane_sequence, o.last_sequence,
       EXISTS (SELECT FROM message m WHERE m.number = k.number AND m.accepted_at = k.accepted_at
               AND octet_length(m.received) > 0) AS is_there
FROM delivery s JOIN delivery d ON d.message = s.message JOIN order_key o ON o.number = d.order_key
JOIN message_key k ON k.number = s.message
WHERE s.id = ANY ($1::uuid[])
