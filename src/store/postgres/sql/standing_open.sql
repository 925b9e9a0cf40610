SELECT number, state, released, attempts, first_attempt_at, lease, detail
FROM open_delivery
WHERE number = ANY ($1::bigint[])
ORDER BY number
FOR UPDATE
