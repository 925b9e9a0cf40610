UPDATE delivery SET detail = NULL WHERE message = (SELECT number FROM message_key WHERE id = ?1) AND detail IS NOT NULL
