-- The salt under which the trail commits to what an attempt sent and was answered. Attempts of before have none: their
-- entries hold the digests themselves. Sixteen zero bytes: erased, with the digests.
ALTER TABLE attempt ADD COLUMN salt BLOB;
