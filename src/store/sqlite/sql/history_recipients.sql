SELECT d.organisation
FROM message_key k CROSS JOIN delivery d ON d.message = k.number
WHERE k.business_key = ?1 AND k.kind = ?2 AND k.organisation = ?3
  AND d.organisation IS NOT NULL AND d.final_state IS NOT 'withdrawn'
GROUP BY d.organisation
ORDER BY min(d.number)
