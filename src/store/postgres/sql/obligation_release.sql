UPDATE obligation SET state = 'released', closed_at = $2
WHERE delivery = ANY ($1::bigint[]) AND state = 'open'
