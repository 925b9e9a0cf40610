SELECT k.id, k.organisation, k.kind, k.business_key, m.matter, m.canonical
FROM message_key k CROSS JOIN message m ON m.number = k.number
WHERE k.number = ?1 AND length(m.canonical) > 0
