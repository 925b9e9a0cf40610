SELECT k.id, k.organisation, k.kind, k.business_key, k.revision, m.matter, m.endpoint, m.accepted_at, m.received,
       m.canonical, m.decision, k.receipt
FROM message_key k CROSS JOIN message m ON m.number = k.number
WHERE k.id = ?1
