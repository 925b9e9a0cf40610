SELECT n.place, h.highest, s.id, s.received_digest, s.content_digest, s.receipt
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
    WITH ORDINALITY AS n (business_key, kind, organisation, revision, place)
CROSS JOIN LATERAL (
    SELECT max(k.revision) AS highest FROM message_key k
    WHERE k.business_key = n.business_key AND k.kind = n.kind AND k.organisation = n.organisation
) h
LEFT JOIN LATERAL (
    SELECT k.id, k.received_digest, k.content_digest, k.receipt FROM message_key k
    WHERE k.business_key = n.business_key AND k.kind = n.kind AND k.organisation = n.organisation
      AND k.revision = n.revision
    LIMIT 1
) s ON true
WHERE h.highest IS NOT NULL
