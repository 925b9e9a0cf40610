WITH written AS (
    INSERT INTO trail (id, at, event, message, delivery, body)
    SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::uuid[], $5::uuid[], $6::bytea[])
    RETURNING id, at
)
INSERT INTO trail_unsealed (id, at) SELECT id, at FROM written
