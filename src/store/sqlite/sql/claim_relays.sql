SELECT d.id FROM delivery d CROSS JOIN open_delivery o ON o.number = d.number
WHERE d.first_hop = ?1 AND d.relay = 'confirm' AND o.state = 'held'
ORDER BY o.number
