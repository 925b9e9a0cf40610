INSERT INTO attempt (delivery, delivery_created_at, lease, outcome, recorded_at, attempt, started_at, ended_at, peer,
                     sent_digest, answer_digest, status, detail, adapter_version, sent_sm3, answer_sm3, salt)
SELECT n.delivery, n.delivery_created_at, n.lease, n.outcome, $5, n.attempt, n.started_at, n.ended_at, n.peer,
       n.sent_digest, n.answer_digest, n.status, n.detail, n.adapter_version, n.sent_sm3,
       n.answer_sm3, n.salt
FROM unnest($1::bigint[], $2::timestamptz[], $3::bigint[], $4::text[], $6::bigint[], $7::timestamptz[], $8::timestamptz[],
            $9::text[], $10::bytea[], $11::bytea[], $12::integer[], $13::text[], $14::text[],
            $15::bytea[], $16::bytea[], $17::bytea[])
    AS n (delivery, delivery_created_at, lease, outcome, attempt, started_at, ended_at, peer, sent_digest,
          answer_digest, status, detail, adapter_version, sent_sm3, answer_sm3, salt)
ON CONFLICT (delivery, lease, outcome, delivery_created_at) DO NOTHING
RETURNING delivery, lease, outcome
