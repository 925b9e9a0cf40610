SELECT max(revision) AS highest FROM message_key WHERE business_key = $1 AND kind = $2 AND organisation = $3
