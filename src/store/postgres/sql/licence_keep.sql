INSERT INTO licence (kind, number, issuer)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
ON CONFLICT (kind, number) DO UPDATE SET issuer = excluded.issuer
