WITH gone AS (DELETE FROM open_delivery WHERE number = ANY ($1::bigint[]))
UPDATE delivery_end e SET lease = n.lease
FROM unnest($1::bigint[], $2::bigint[]) AS n (number, lease)
WHERE e.number = n.number
