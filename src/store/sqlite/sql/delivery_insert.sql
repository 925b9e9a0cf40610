INSERT INTO delivery (id, message, organisation, endpoint, part, share, on_behalf_of, rule, order_key, lane_sequence,
                      created_at, first_hop, moment, relay, authorisation, redaction)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
