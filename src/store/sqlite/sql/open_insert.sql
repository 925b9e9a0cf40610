INSERT INTO open_delivery (number, endpoint, order_key, lane_sequence, state, released, next_attempt_at, claim_at,
                           park_reason, detail)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
