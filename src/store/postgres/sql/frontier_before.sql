SELECT frontier FROM checkpoint WHERE size <= $1 AND frontier IS NOT NULL
ORDER BY size DESC
LIMIT 1
