-- The deliveries of the message of one, how far its order key has gone, and whether what the message said is there.
SELECT d.number, d.order_key, d.endpoint, d.lane_sequence, o.last_sequence,
       EXISTS (SELECT 1 FROM message m WHERE m.number = s.message AND length(m.received) > 0) AS is_there
FROM delivery s CROSS JOIN delivery d ON d.message = s.message CROSS JOIN order_key o ON o.number = d.order_key
WHERE s.id = ?1
