UPDATE open_delivery SET claim_at = next_attempt_at
WHERE number = ?1 AND claim_at IS NULL AND state IN ('ready', 'scheduled')
