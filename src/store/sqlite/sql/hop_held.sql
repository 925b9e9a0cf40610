SELECT o.number FROM delivery d CROSS JOIN open_delivery o ON o.number = d.number
WHERE d.first_hop = ?1 AND d.relay = 'standing_authorisation' AND o.state = 'held'
