UPDATE message_key SET received_digest = zeroblob(32), receipt = x'' WHERE id = ?1
