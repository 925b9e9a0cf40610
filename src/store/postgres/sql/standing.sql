WITH seed (number, first_hop) AS (
    SELECT number, first_hop FROM delivery WHERE id = ANY ($1::uuid[])
    UNION
    SELECT number, first_hop FROM delivery WHERE number = ANY ($2::bigint[])
),
concerned (number) AS (
    SELECT number FROM seed
    UNION
    SELECT d.number FROM delivery d WHERE d.first_hop = ANY (ARRAY(SELECT number FROM seed))
    UNION
    SELECT first_hop FROM seed
)
SELECT d.id, d.number, k.id AS message, d.organisation, d.endpoint, d.order_key, d.lane_sequence, d.created_at, d.acknowledgement,
       d.first_hop, d.moment, d.relay, e.final_state, e.attempts, e.lease, e.detail
FROM delivery d JOIN message_key k ON k.number = d.message LEFT JOIN delivery_end e ON e.number = d.number
WHERE d.number = ANY (ARRAY(SELECT number FROM concerned))
