INSERT INTO trail (id, at, event, message, delivery, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
