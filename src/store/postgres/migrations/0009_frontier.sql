-- Where the tree stood at each checkpoint, so that a proof reads no more of the log than lies between two. Those of before
-- have none.
ALTER TABLE checkpoint ADD COLUMN frontier bytea;
