UPDATE attempt a SET sent_digest = NULL, sent_sm3 = NULL, answer_digest = NULL, answer_sm3 = NULL, detail = '',
                     salt = decode(repeat('00', 16), 'hex')
FROM message_key k JOIN delivery d ON d.message = k.number
WHERE k.id = ANY($1) AND a.delivery = d.number AND a.delivery_created_at = d.created_at
  AND coalesce(a.salt, a.sent_digest, a.answer_digest) IS NOT NULL
