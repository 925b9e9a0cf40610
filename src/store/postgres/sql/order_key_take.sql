INSERT INTO order_key AS k (name, last_sequence)
SELECT n.name, n.count FROM unnest($1::text[], $2::bigint[]) AS n (name, count)
ON CONFLICT (name) DO UPDATE SET last_sequence = k.last_sequence + excluded.last_sequence
RETURNING k.number, k.name, k.last_sequence
