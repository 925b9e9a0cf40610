INSERT INTO order_key (name, last_sequence) VALUES (?1, ?2)
ON CONFLICT (name) DO UPDATE SET last_sequence = last_sequence + excluded.last_sequence
RETURNING number, last_sequence
