WITH gone AS (DELETE FROM open_delivery WHERE number = ANY ($1::bigint[]))
INSERT INTO delivery_end (number, final_state, ended_at, attempts, lease, detail, handed_over_at, document)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::text[], $7::timestamptz[],
                     $8::text[])
