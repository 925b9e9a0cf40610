INSERT INTO attempt (delivery, lease, outcome, recorded_at, attempt, started_at, ended_at, peer, sent_digest,
                     answer_digest, status, detail, adapter_version, sent_sm3, answer_sm3, salt)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
ON CONFLICT (delivery, lease, outcome) DO NOTHING
