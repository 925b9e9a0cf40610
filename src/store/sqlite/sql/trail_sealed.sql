SELECT s.position, t.body FROM trail_sealed s CROSS JOIN trail t ON t.number = s.entry
WHERE s.position >= ?1
ORDER BY s.position
LIMIT ?2
