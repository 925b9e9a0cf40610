SELECT organisation FROM delivery
WHERE message = ?1 AND organisation IS NOT NULL AND final_state IS NOT 'withdrawn'
GROUP BY organisation
ORDER BY min(number)
