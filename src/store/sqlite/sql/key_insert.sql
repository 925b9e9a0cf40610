INSERT INTO message_key (id, business_key, kind, organisation, revision, received_digest, content_digest, receipt)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
