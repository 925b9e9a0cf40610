SELECT k.id AS message, d.id AS delivery, b.organisation, b.duty, b.due, b.state, b.closed_at, b.number, b.calendar,
       b.term, b.rule, b.basis
FROM obligation b
JOIN message_key k ON k.number = b.message
LEFT JOIN delivery d ON d.number = b.delivery
WHERE b.state = 'open' AND b.due <= ?1 AND (b.due, b.number) > (?2, ?3)
ORDER BY b.due, b.number
LIMIT ?4
