SELECT organisation, state, acknowledgement, sum(deliveries)::bigint AS deliveries,
       coalesce(sum(deliveries) FILTER (WHERE retried), 0)::bigint AS retried
FROM (
    SELECT organisation, state, acknowledgement, retried, deliveries FROM delivery_count
    UNION ALL
    SELECT organisation, state, acknowledgement, retried, deliveries FROM delivery_count_change
) one
GROUP BY organisation, state, acknowledgement
HAVING sum(deliveries) > 0
ORDER BY organisation, state, acknowledgement
