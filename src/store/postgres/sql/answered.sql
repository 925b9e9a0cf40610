SELECT n.message, n.organisation, k.number, d.number AS delivery
FROM unnest($1::uuid[], $2::text[]) AS n (message, organisation)
JOIN message_key k ON k.id = n.message
LEFT JOIN delivery d ON d.message = k.number AND d.organisation = n.organisation
ORDER BY d.number
