SELECT (SELECT count(*) FROM message WHERE accepted_at >= ?1 AND accepted_at < ?2) AS messages,
       (SELECT count(*) FROM trail WHERE at >= ?1 AND at < ?2) AS entries,
       (SELECT coalesce(max(s.position) + 1, 0) FROM trail_sealed s JOIN trail t ON t.number = s.entry
        WHERE t.at < ?2) AS trail_end,
       (SELECT count(*) FROM open_delivery o JOIN delivery d USING (number) WHERE d.created_at < ?2) AS open_deliveries,
       (SELECT count(*) FROM obligation b JOIN message m ON m.number = b.message
        WHERE b.state = 'open' AND m.accepted_at < ?2) AS open_obligations,
       (SELECT count(*) FROM trail_unsealed u JOIN trail t ON t.number = u.entry WHERE t.at < ?2) AS unsealed
