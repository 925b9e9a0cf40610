-- SM3 of what an attempt sent and was answered, beside the SHA-256. Attempts of before have none.
ALTER TABLE attempt ADD COLUMN sent_sm3 BLOB;
ALTER TABLE attempt ADD COLUMN answer_sm3 BLOB;
