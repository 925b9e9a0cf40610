-- Deliveries that are final and are being sent again stand among the open ones, marked.
ALTER TABLE open_delivery ADD COLUMN again boolean NOT NULL DEFAULT false;
