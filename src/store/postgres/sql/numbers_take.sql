SELECT CASE WHEN n <= $1 THEN nextval('message_number') ELSE nextval('delivery_number') END AS number
FROM generate_series(1::bigint, $1::bigint + $2::bigint) AS n
