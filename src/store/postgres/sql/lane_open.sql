SELECT l.order_key, l.endpoint
FROM unnest($1::bigint[], $2::text[]) AS l (order_key, endpoint)
WHERE EXISTS (SELECT 1 FROM open_delivery o WHERE o.order_key = l.order_key AND o.endpoint = l.endpoint)
