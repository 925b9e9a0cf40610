SELECT id FROM message_key WHERE business_key = $1 ORDER BY revision DESC, number DESC LIMIT $2
