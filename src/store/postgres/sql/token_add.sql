INSERT INTO token (name, hash, endpoint, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING
