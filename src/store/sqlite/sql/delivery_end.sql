UPDATE delivery
SET final_state = ?2, ended_at = ?3, attempts = ?4, lease = ?5, detail = ?6, handed_over_at = ?7, document = ?8
WHERE number = ?1
