SELECT d.organisation
FROM delivery d LEFT JOIN delivery_end e ON e.number = d.number
WHERE d.message = $1 AND d.organisation IS NOT NULL AND e.final_state IS DISTINCT FROM 'withdrawn'
GROUP BY d.organisation
ORDER BY min(d.number)
