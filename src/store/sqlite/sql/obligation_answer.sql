UPDATE obligation SET state = 'met', closed_at = ?4
WHERE message = ?1 AND organisation = ?2 AND duty = ?3 AND state = 'open'
