SELECT s.position, t.body
FROM (SELECT position, id, at FROM trail_sealed WHERE position >= $1 ORDER BY position LIMIT $2) s
JOIN trail t ON t.id = s.id AND t.at = s.at
ORDER BY s.position
