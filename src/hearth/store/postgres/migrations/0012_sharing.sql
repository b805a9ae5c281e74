-- Predictions that whoever has the link may see. They are kept, as examples are.
ALTER TABLE predictions ADD COLUMN shared boolean NOT NULL DEFAULT false;
UPDATE predictions SET shared = true WHERE kept AND id NOT IN (SELECT id FROM examples);
