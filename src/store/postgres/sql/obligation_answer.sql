UPDATE obligation b SET state = 'met', closed_at = $4
FROM unnest($1::bigint[], $2::text[], $3::text[]) AS n (message, organisation, duty)
WHERE b.message = n.message AND b.organisation = n.organisation AND b.duty = n.duty AND b.state = 'open'
