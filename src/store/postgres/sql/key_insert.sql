INSERT INTO message_key (number, id, business_key, kind, organisation, revision, accepted_at, received_digest,
                         content_digest, receipt)
SELECT n.number, n.id, n.business_key, n.kind, n.organisation, n.revision, $7, n.received_digest, n.content_digest, n.receipt
FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[], $8::bytea[], $9::bytea[],
            $10::bytea[])
    AS n (number, id, business_key, kind, organisation, revision, received_digest, content_digest, receipt)
