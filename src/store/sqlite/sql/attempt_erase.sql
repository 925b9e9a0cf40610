UPDATE attempt SET sent_digest = NULL, sent_sm3 = NULL, answer_digest = NULL, answer_sm3 = NULL, detail = '',
                   salt = zeroblob(16)
WHERE delivery IN (SELECT d.number FROM delivery d JOIN message_key k ON k.number = d.message WHERE k.id = ?1)
  AND coalesce(salt, sent_digest, answer_digest) IS NOT NULL
