SELECT t.id, t.body
FROM (SELECT id, at FROM trail_unsealed ORDER BY id LIMIT $1) u
JOIN trail t ON t.id = u.id AND t.at = u.at
ORDER BY u.id
