SELECT endpoint, count(*) AS leased FROM open_delivery
WHERE lease_until IS NOT NULL AND endpoint = ANY ($1::text[])
GROUP BY endpoint
