DELETE FROM trail_unsealed WHERE entry = (SELECT number FROM trail WHERE id = ?1) RETURNING entry
