INSERT INTO signing_key (number, public, begins, by_predecessor, by_itself)
SELECT $1, $2, $3, $4, $5
WHERE (SELECT coalesce(max(number), 0) FROM signing_key) + 1 = $1
