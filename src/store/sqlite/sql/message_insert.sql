INSERT INTO message (number, matter, endpoint, accepted_at, received, salt, canonical, decision)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
