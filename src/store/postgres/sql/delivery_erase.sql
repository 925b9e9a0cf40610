UPDATE delivery_end e SET detail = NULL
FROM message_key k JOIN delivery d ON d.message = k.number
WHERE k.id = ANY($1) AND e.number = d.number AND e.detail IS NOT NULL
