INSERT INTO snapshot (subject, version, digest, content, at)
SELECT $1, coalesce(max(version), 0) + 1, $2, $3, $4 FROM snapshot WHERE subject = $1
RETURNING version
