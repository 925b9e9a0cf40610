UPDATE obligation SET state = 'released', closed_at = ?2
WHERE delivery = ?1 AND state = 'open'
