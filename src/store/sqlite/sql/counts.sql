SELECT organisation, state, acknowledgement, sum(deliveries) AS deliveries,
       sum(CASE WHEN retried = 1 THEN deliveries ELSE 0 END) AS retried
FROM delivery_count
GROUP BY organisation, state, acknowledgement
HAVING sum(deliveries) > 0
ORDER BY organisation, state, acknowledgement
