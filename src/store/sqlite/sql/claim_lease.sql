UPDATE open_delivery
SET state = 'leased', claim_at = NULL, lease = ?2, lease_until = ?3, not_after = ?4
WHERE number = ?1
