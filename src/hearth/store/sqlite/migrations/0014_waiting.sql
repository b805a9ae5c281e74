-- How many may wait for one version of a model, or for a deployment; NULL: as the server has it.
ALTER TABLE scalings ADD COLUMN max_waiting INTEGER CHECK (max_waiting > 0);
