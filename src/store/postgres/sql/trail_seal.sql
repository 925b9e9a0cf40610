WITH taken AS (
    DELETE FROM trail_unsealed u
    USING unnest($1::uuid[]) WITH ORDINALITY AS e (id, place)
    WHERE u.id = e.id
    RETURNING e.place, u.id, u.at
)
INSERT INTO trail_sealed (position, id, at)
SELECT $2::bigint + place - 1, id, at FROM taken
