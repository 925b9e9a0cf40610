-- Leases are few: windows of endpoints.
SELECT count(*) FROM open_delivery INDEXED BY open_delivery_lease WHERE lease_until IS NOT NULL AND endpoint = ?1
