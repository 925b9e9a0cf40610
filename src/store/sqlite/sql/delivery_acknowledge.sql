UPDATE delivery
SET acknowledgement = ?2,
    acknowledged_at = CASE WHEN ?2 = 'answered' THEN coalesce(acknowledged_at, ?3) ELSE ?3 END
WHERE number = ?1
