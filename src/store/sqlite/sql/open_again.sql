INSERT INTO open_delivery (number, endpoint, order_key, lane_sequence, state, released, next_attempt_at, lease, again)
VALUES (?1, ?2, ?3, ?4, 'ready', 1, ?5, ?6, 1)
