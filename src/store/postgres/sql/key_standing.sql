SELECT id, received_digest, content_digest, receipt FROM message_key
WHERE business_key = $1 AND kind = $2 AND organisation = $3 AND revision = $4
