SELECT k.number, k.id, k.organisation, k.kind, k.business_key, m.matter, m.canonical
FROM message_key k JOIN message m ON m.number = k.number AND m.accepted_at = k.accepted_at AND octet_length(m.canonical) > 0
