SELECT size, note FROM checkpoint WHERE size > ?1 ORDER BY size, number LIMIT ?2
