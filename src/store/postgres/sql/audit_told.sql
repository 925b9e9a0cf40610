SELECT delivery, count(*) AS told
FROM trail
WHERE delivery = ANY($1) AND event = ANY($2)
GROUP BY delivery
