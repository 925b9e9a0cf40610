SELECT (SELECT count(*) FROM message WHERE accepted_at >= $1 AND accepted_at < $2) AS messages,
       (SELECT count(*) FROM trail WHERE at >= $1 AND at < $2) AS entries,
       (SELECT coalesce(max(position) + 1, 0) FROM trail_sealed WHERE at < $2) AS trail_end,
       (SELECT count(*) FROM open_delivery o JOIN delivery d USING (number) WHERE d.created_at < $2) AS open_deliveries,
       (SELECT count(*) FROM obligation b JOIN message_key k ON k.number = b.message
        WHERE b.state = 'open' AND k.accepted_at < $2) AS open_obligations,
       (SELECT count(*) FROM trail_unsealed WHERE at < $2) AS unsealed
