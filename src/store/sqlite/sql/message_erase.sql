UPDATE message SET received = x'', canonical = x'', decision = x'', salt = zeroblob(16)
WHERE number = (SELECT number FROM message_key WHERE id = ?1) AND length(received) > 0
  AND NOT EXISTS (SELECT 1 FROM delivery d JOIN open_delivery o ON o.number = d.number WHERE d.message = message.number)
  AND NOT EXISTS (SELECT 1 FROM obligation b WHERE b.message = message.number AND b.state = 'open')
