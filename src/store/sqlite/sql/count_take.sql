UPDATE delivery_count SET deliveries = deliveries - ?5
WHERE organisation = ?1 AND state = ?2 AND acknowledgement = ?3 AND retried = ?4
