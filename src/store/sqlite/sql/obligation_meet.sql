UPDATE obligation SET state = 'met', closed_at = ?3
WHERE delivery = ?1 AND duty = ?2 AND state = 'open'
