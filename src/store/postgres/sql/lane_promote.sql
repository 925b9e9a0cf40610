UPDATE open_delivery o SET claim_at = o.next_attempt_at
FROM (
    SELECT h.number
    FROM unnest($1::bigint[], $2::text[]) AS l (order_key, endpoint)
    CROSS JOIN LATERAL (
        SELECT d.number FROM open_delivery d
        WHERE d.order_key = l.order_key AND d.endpoint = l.endpoint
        ORDER BY d.lane_sequence
        LIMIT 1
    ) h
) head
WHERE o.number = head.number AND o.claim_at IS NULL AND o.state IN ('ready', 'scheduled')
RETURNING o.order_key, o.endpoint, o.claim_at
