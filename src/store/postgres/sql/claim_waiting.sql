-- From endpoint to endpoint by seeks in the claim index, however many deliveries wait at each.
WITH RECURSIVE e (endpoint) AS (
    SELECT min(endpoint) FROM open_delivery WHERE claim_at IS NOT NULL
    UNION ALL
    SELECT (SELECT min(o.endpoint) FROM open_delivery o WHERE o.claim_at IS NOT NULL AND o.endpoint > e.endpoint)
    FROM e WHERE e.endpoint IS NOT NULL
)
SELECT endpoint,
       EXISTS (SELECT 1 FROM open_delivery o WHERE o.endpoint = e.endpoint AND o.claim_at <= $1) AS ready,
       (SELECT min(o.claim_at) FROM open_delivery o WHERE o.endpoint = e.endpoint AND o.claim_at > $1) AS next_due
FROM e WHERE endpoint IS NOT NULL
