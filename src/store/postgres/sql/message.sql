SELECT k.id, k.organisation, k.kind, k.business_key, k.revision, m.matter, m.endpoint, m.accepted_at, m.received, m.salt,
       m.canonical, m.decision, k.receipt
FROM message_key k JOIN message m ON m.number = k.number AND m.accepted_at = k.accepted_at
WHERE k.id = $1
