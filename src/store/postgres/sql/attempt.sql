SELECT a.attempt, a.outcome, a.started_at, a.ended_at, a.recorded_at, a.peer, a.status, a.detail, a.sent_digest,
       a.answer_digest, a.sent_sm3, a.answer_sm3, a.adapter_version, a.salt
FROM delivery d JOIN attempt a ON a.delivery = d.number AND a.delivery_created_at = d.created_at
WHERE d.id = $1
ORDER BY a.recorded_at, a.lease
