SELECT t.id, t.at, t.event, t.delivery, s.position, t.body
FROM (
    SELECT id, at FROM trail WHERE message = $1
    UNION
    SELECT t.id, t.at
    FROM message_key k JOIN delivery d ON d.message = k.number JOIN trail t ON t.delivery = d.id
    WHERE k.id = $1
) one
JOIN trail t ON t.id = one.id AND t.at = one.at
LEFT JOIN trail_sealed s ON s.id = t.id
ORDER BY t.id
