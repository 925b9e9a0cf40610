-- Locks the order keys of deliveries, of the second hops behind them and the first hops before them, and others
-- by name.
WITH seed (number, order_key, first_hop) AS (
    SELECT number, order_key, first_hop FROM delivery WHERE id = ANY ($1::uuid[])
    UNION
    SELECT number, order_key, first_hop FROM delivery WHERE number = ANY ($2::bigint[])
),
concerned (order_key) AS (
    SELECT order_key FROM seed
    UNION
    SELECT d.order_key FROM delivery d WHERE d.first_hop = ANY (ARRAY(SELECT number FROM seed))
    UNION
    SELECT d.order_key FROM delivery d WHERE d.number = ANY (ARRAY(SELECT first_hop FROM seed))
    UNION
    SELECT number FROM order_key WHERE name = ANY ($3::text[])
)
SELECT number FROM order_key
WHERE number = ANY (ARRAY(SELECT order_key FROM concerned))
ORDER BY name
FOR UPDATE
