INSERT INTO message (number, accepted_at, matter, endpoint, received, salt, canonical, decision)
SELECT n.number, $2, n.matter, n.endpoint, n.received, n.salt, n.canonical, n.decision
FROM unnest($1::bigint[], $3::text[], $4::text[], $5::bytea[], $6::bytea[], $7::bytea[], $8::bytea[])
    AS n (number, matter, endpoint, received, salt, canonical, decision)
