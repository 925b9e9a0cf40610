SELECT t.id, t.at, t.event, t.delivery, s.position, t.body
FROM (
    SELECT number FROM trail WHERE message = ?1
    UNION
    SELECT t.number
    FROM message_key k CROSS JOIN delivery d ON d.message = k.number CROSS JOIN trail t ON t.delivery = d.id
    WHERE k.id = ?1
) one
CROSS JOIN trail t ON t.number = one.number
LEFT JOIN trail_sealed s ON s.entry = t.number
ORDER BY t.number
