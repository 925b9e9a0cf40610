UPDATE open_delivery
SET state = ?2, next_attempt_at = ?3, park_reason = ?4, detail = ?5, attempts = ?6, first_attempt_at = ?7,
    released = ?8, claim_at = NULL, lease_until = NULL, not_after = NULL
WHERE number = ?1
