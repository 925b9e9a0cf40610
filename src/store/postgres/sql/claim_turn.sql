SELECT count(pg_advisory_xact_lock(19525, hashtext(turn.endpoint))::text)
FROM (SELECT endpoint FROM unnest($1::text[]) AS want (endpoint) ORDER BY endpoint COLLATE "C") AS turn
