INSERT INTO obligation (message, delivery, organisation, duty, due, calendar, term, rule, basis, state)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
