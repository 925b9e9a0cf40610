UPDATE delivery d
SET acknowledgement = n.acknowledgement,
    acknowledged_at = CASE WHEN n.keeps_earlier THEN coalesce(d.acknowledged_at, n.at) ELSE n.at END
FROM unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::boolean[]) AS n (number, acknowledgement, at, keeps_earlier)
WHERE d.number = n.number
