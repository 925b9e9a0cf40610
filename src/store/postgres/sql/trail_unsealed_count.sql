SELECT (SELECT count(*) FROM trail_unsealed) AS entries,
       (SELECT at FROM trail_unsealed ORDER BY id LIMIT 1) AS oldest
