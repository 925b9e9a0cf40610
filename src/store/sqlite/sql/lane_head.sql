SELECT number, next_attempt_at FROM open_delivery
WHERE order_key = ?1 AND endpoint = ?2
ORDER BY lane_sequence
LIMIT 1
