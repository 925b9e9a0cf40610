SELECT d.organisation
FROM message_key k JOIN delivery d ON d.message = k.number LEFT JOIN delivery_end e ON e.number = d.number
WHERE k.business_key = $1 AND k.kind = $2 AND k.organisation = $3
  AND d.organisation IS NOT NULL AND e.final_state IS DISTINCT FROM 'withdrawn'
GROUP BY d.organisation
ORDER BY min(d.number)
