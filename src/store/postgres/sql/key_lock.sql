SELECT pg_advisory_xact_lock_shared(19524, 2)::text, (SELECT count(pg_advisory_xact_lock(k)::text) FROM unnest($1::bigint[]) AS k)
