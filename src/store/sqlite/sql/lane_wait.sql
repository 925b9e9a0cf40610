UPDATE open_delivery SET claim_at = NULL
WHERE order_key = ?1 AND endpoint = ?2 AND claim_at IS NOT NULL
