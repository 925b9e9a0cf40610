INSERT INTO delivery (number, id, message, organisation, endpoint, part, share, on_behalf_of, redaction, rule, order_key,
                      lane_sequence, created_at, first_hop, moment, relay, authorisation)
SELECT n.number, n.id, n.message, n.organisation, n.endpoint, n.part, n.share, n.on_behalf_of, n.redaction, n.rule,
       n.order_key, n.lane_sequence, $13, n.first_hop, n.moment, n.relay, n.authorisation
FROM unnest($1::bigint[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
            $10::text[], $11::bigint[], $12::bigint[], $14::bigint[], $15::text[], $16::text[], $17::text[])
    AS n (number, id, message, organisation, endpoint, part, share, on_behalf_of, redaction, rule, order_key,
          lane_sequence, first_hop, moment, relay, authorisation)
