INSERT INTO message (number, matter, endpoint, accepted_at, received, canonical, decision)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
