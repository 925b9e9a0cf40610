-- Deliveries of some order keys among those that came from a number on.
SELECT number, order_key, endpoint, lane_sequence
FROM (SELECT number, order_key, endpoint, lane_sequence FROM delivery WHERE number >= $1 ORDER BY number LIMIT $2) d
WHERE order_key = ANY ($3::bigint[])
