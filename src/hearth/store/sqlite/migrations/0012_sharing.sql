-- Predictions that whoever has the link may see. They are kept, as examples are.
ALTER TABLE predictions ADD COLUMN shared INTEGER NOT NULL DEFAULT 0 CHECK (shared IN (0, 1));
UPDATE predictions SET shared = 1 WHERE kept = 1 AND id NOT IN (SELECT id FROM examples);
