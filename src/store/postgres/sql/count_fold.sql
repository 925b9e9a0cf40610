WITH taken AS (
    DELETE FROM delivery_count_change RETURNING organisation, state, acknowledgement, retried, deliveries
)
INSERT INTO delivery_count AS c (organisation, state, acknowledgement, retried, deliveries)
SELECT organisation, state, acknowledgement, retried, sum(deliveries)::bigint
FROM taken
GROUP BY organisation, state, acknowledgement, retried
ON CONFLICT (organisation, state, acknowledgement, retried)
    DO UPDATE SET deliveries = c.deliveries + excluded.deliveries
