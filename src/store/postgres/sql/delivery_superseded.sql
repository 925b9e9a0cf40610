WITH RECURSIVE stale (number) AS (
    SELECT o.number
    FROM message_key k JOIN delivery d ON d.message = k.number JOIN open_delivery o ON o.number = d.number
    WHERE k.business_key = $1 AND k.kind = $2 AND k.organisation = $3 AND k.revision < $4 AND o.state = 'parked'
    UNION
    SELECT o.number
    FROM stale s JOIN delivery d ON d.first_hop = s.number JOIN open_delivery o ON o.number = d.number
    WHERE o.state = 'held'
)
SELECT d.id FROM stale s JOIN delivery d ON d.number = s.number
ORDER BY d.number
