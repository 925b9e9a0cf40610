SELECT id, organisation, kind, business_key, revision, matter, endpoint, accepted_at, received, salt, canonical, decision,
       receipt
FROM (
    SELECT k.id, k.organisation, k.kind, k.business_key, k.revision, m.matter, m.endpoint,
           m.accepted_at, m.received, m.salt, m.canonical, m.decision, k.receipt, a.place,
           sum(coalesce(octet_length(m.received) + octet_length(m.canonical) + octet_length(m.decision)
                        + octet_length(k.receipt), 0)) OVER (ORDER BY a.place) AS bytes
    FROM unnest($1::uuid[]) WITH ORDINALITY AS a (id, place)
    LEFT JOIN message_key k ON k.id = a.id
    LEFT JOIN message m ON m.number = k.number AND m.accepted_at = k.accepted_at
) AS read
WHERE place = 1 OR bytes <= $2
ORDER BY place
