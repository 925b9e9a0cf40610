SELECT (SELECT count(*) FROM trail_unsealed) AS entries,
       (SELECT t.at FROM trail_unsealed u CROSS JOIN trail t ON t.number = u.entry ORDER BY u.entry LIMIT 1) AS oldest
