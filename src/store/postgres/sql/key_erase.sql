UPDATE message_key SET received_digest = decode(repeat('00', 32), 'hex'), receipt = '' WHERE id = ANY($1)
