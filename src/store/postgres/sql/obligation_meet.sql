UPDATE obligation b SET state = 'met', closed_at = $3
FROM unnest($1::bigint[], $2::text[]) AS n (delivery, duty)
WHERE b.delivery = n.delivery AND b.duty = n.duty AND b.state = 'open'
