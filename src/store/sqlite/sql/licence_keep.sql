INSERT INTO licence (kind, number, issuer) VALUES (?1, ?2, ?3)
ON CONFLICT (kind, number) DO UPDATE SET issuer = excluded.issuer
