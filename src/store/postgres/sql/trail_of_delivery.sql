SELECT t.id, t.at, t.event, t.delivery, s.position, t.body
FROM trail t LEFT JOIN trail_sealed s ON s.id = t.id
WHERE t.delivery = $1
ORDER BY t.id
