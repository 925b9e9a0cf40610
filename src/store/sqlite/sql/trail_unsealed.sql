SELECT t.id, t.body FROM trail_unsealed u CROSS JOIN trail t ON t.number = u.entry
ORDER BY u.entry
LIMIT ?1
