INSERT INTO delivery_count_change (organisation, state, acknowledgement, retried, deliveries)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::bigint[])
