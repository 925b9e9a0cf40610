INSERT INTO delivery_count (organisation, state, acknowledgement, retried, deliveries)
VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (organisation, state, acknowledgement, retried) DO UPDATE SET deliveries = deliveries + excluded.deliveries
