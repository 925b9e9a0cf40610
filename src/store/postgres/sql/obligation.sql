SELECT k.id AS message, d.id AS delivery, b.organisation, b.duty, b.due, b.state, b.closed_at
FROM obligation b
JOIN message_key k ON k.number = b.message
LEFT JOIN delivery d ON d.number = b.delivery
