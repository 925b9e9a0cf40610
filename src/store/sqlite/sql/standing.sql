SELECT d.number, k.id AS message, d.organisation, d.endpoint, d.order_key, d.created_at, d.acknowledgement, d.first_hop, d.moment,
       d.relay, coalesce(o.state, d.final_state) AS state, coalesce(o.released, 1) AS released,
       coalesce(o.attempts, d.attempts) AS attempts, o.first_attempt_at, coalesce(o.lease, d.lease) AS lease,
       coalesce(o.detail, d.detail) AS detail
FROM delivery d CROSS JOIN message_key k ON k.number = d.message LEFT JOIN open_delivery o ON o.number = d.number
