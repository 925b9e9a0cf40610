INSERT INTO obligation (message, delivery, organisation, duty, due, calendar, term, rule, basis, state)
SELECT n.message, n.delivery, n.organisation, n.duty, n.due, n.calendar, n.term, n.rule, n.basis, $10
FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::date[], $6::text[], $7::text[], $8::text[], $9::text[])
    AS n (message, delivery, organisation, duty, due, calendar, term, rule, basis)
