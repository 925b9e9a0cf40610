UPDATE message m SET received = '', canonical = '', decision = '', salt = decode(repeat('00', 16), 'hex')
FROM message_key k
WHERE k.id = ANY($1) AND m.number = k.number AND m.accepted_at = k.accepted_at AND octet_length(m.received) > 0
  AND NOT EXISTS (SELECT FROM delivery d JOIN open_delivery o ON o.number = d.number WHERE d.message = k.number)
  AND NOT EXISTS (SELECT FROM obligation b WHERE b.message = k.number AND b.state = 'open')
RETURNING k.id
