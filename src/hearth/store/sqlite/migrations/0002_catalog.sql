-- What the catalogue shows: examples, collections, full-text search; and versions on their way out.

-- Fields that whoever made the model left open: the first push's hearth.yaml decides them. JSON.
ALTER TABLE models ADD COLUMN undecided TEXT NOT NULL DEFAULT '[]';

-- Predictions that a model shows. The oldest one is the model's default example.
CREATE TABLE examples (
    id         TEXT PRIMARY KEY REFERENCES predictions (id) ON DELETE CASCADE,
    model_id   TEXT NOT NULL REFERENCES models (id) ON DELETE CASCADE,
    created_at REAL NOT NULL -- the prediction's
) STRICT, WITHOUT ROWID;

CREATE INDEX examples_of_model ON examples (model_id, created_at, id);

-- Worth showing: public, runs, has an example.
CREATE INDEX models_shown_by_age ON models (created_at, id)
    WHERE visibility = 'public' AND latest_version_id IS NOT NULL AND default_example_id IS NOT NULL;
CREATE INDEX models_shown_by_version ON models (latest_version_at, id)
    WHERE visibility = 'public' AND latest_version_id IS NOT NULL AND default_example_id IS NOT NULL;

CREATE INDEX accounts_by_age ON accounts (created_at, id);

-- Who ran a version, and what there is to remove of it.
CREATE INDEX predictions_of_version ON predictions (version, account_id, kind);

-- Which contents a version needs: what nobody needs can go.
CREATE TABLE version_sources (
    sha256     TEXT NOT NULL,
    version_id TEXT NOT NULL REFERENCES versions (id) ON DELETE CASCADE,
    PRIMARY KEY (sha256, version_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX version_sources_of_version ON version_sources (version_id);

INSERT OR IGNORE INTO version_sources
SELECT json_extract(s.value, '$.sha256'), v.id FROM versions v, json_each(v.recipe, '$.source') s;

CREATE TRIGGER versions_need_sources AFTER INSERT ON versions BEGIN
    INSERT OR IGNORE INTO version_sources
    SELECT json_extract(s.value, '$.sha256'), NEW.id FROM json_each(NEW.recipe, '$.source') s;
    DELETE FROM version_deletions WHERE version_id = NEW.id; -- made again: what is left of it stays
END;

CREATE INDEX builds_open ON builds (created_at, id) WHERE completed_at IS NULL;

-- Versions that were deleted, until nothing is left of their predictions, files and sources.
CREATE TABLE version_deletions (
    version_id TEXT PRIMARY KEY,
    model      TEXT NOT NULL,
    source     TEXT NOT NULL, -- JSON, as in the recipe
    weights    TEXT, -- as in the recipe
    created_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE collections (
    slug             TEXT PRIMARY KEY,
    name             TEXT NOT NULL,
    description      TEXT NOT NULL,
    full_description TEXT,
    created_at       REAL NOT NULL
) STRICT;

CREATE INDEX collections_by_age ON collections (created_at, slug);

CREATE TABLE collection_models (
    slug     TEXT NOT NULL REFERENCES collections (slug) ON DELETE CASCADE,
    model_id TEXT NOT NULL REFERENCES models (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    PRIMARY KEY (slug, model_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX collection_models_in_order ON collection_models (slug, position);
CREATE INDEX collections_of_model ON collection_models (model_id);

-- Everything that can be searched for, and two indexes over it: one by words, one by groups of three letters,
-- for words that are spelled wrong. The triggers below keep them true.
CREATE TABLE findable (
    number INTEGER PRIMARY KEY,
    kind   TEXT NOT NULL CHECK (kind IN ('model', 'collection', 'page')),
    key    TEXT NOT NULL, -- model id, collection slug, page address
    name   TEXT NOT NULL,
    about  TEXT NOT NULL,
    text   TEXT NOT NULL,
    UNIQUE (kind, key)
) STRICT;

CREATE VIRTUAL TABLE findable_words USING fts5 (
    name, about, text,
    content = 'findable', content_rowid = 'number', tokenize = 'porter unicode61 remove_diacritics 2', prefix = '2 3'
);
CREATE VIRTUAL TABLE findable_trigrams USING fts5 (
    name, about, content = 'findable', content_rowid = 'number', tokenize = 'trigram remove_diacritics 1'
);

CREATE TRIGGER findable_added AFTER INSERT ON findable BEGIN
    INSERT INTO findable_words (rowid, name, about, text) VALUES (NEW.number, NEW.name, NEW.about, NEW.text);
    INSERT INTO findable_trigrams (rowid, name, about) VALUES (NEW.number, NEW.name, NEW.about);
END;

CREATE TRIGGER findable_removed AFTER DELETE ON findable BEGIN
    INSERT INTO findable_words (findable_words, rowid, name, about, text)
    VALUES ('delete', OLD.number, OLD.name, OLD.about, OLD.text);
    INSERT INTO findable_trigrams (findable_trigrams, rowid, name, about)
    VALUES ('delete', OLD.number, OLD.name, OLD.about);
END;

CREATE TRIGGER findable_changed AFTER UPDATE ON findable BEGIN
    INSERT INTO findable_words (findable_words, rowid, name, about, text)
    VALUES ('delete', OLD.number, OLD.name, OLD.about, OLD.text);
    INSERT INTO findable_trigrams (findable_trigrams, rowid, name, about)
    VALUES ('delete', OLD.number, OLD.name, OLD.about);
    INSERT INTO findable_words (rowid, name, about, text) VALUES (NEW.number, NEW.name, NEW.about, NEW.text);
    INSERT INTO findable_trigrams (rowid, name, about) VALUES (NEW.number, NEW.name, NEW.about);
END;

-- A readme's beginning says what the model is.
CREATE TRIGGER models_findable AFTER INSERT ON models BEGIN
    INSERT INTO findable (kind, key, name, about, text) VALUES (
        'model', NEW.id, NEW.owner || '/' || NEW.name, coalesce(NEW.description, ''),
        substr(coalesce(NEW.readme, ''), 1, 20000)
    );
END;

CREATE TRIGGER models_refound AFTER UPDATE OF description, readme ON models
WHEN OLD.description IS NOT NEW.description OR OLD.readme IS NOT NEW.readme
BEGIN
    UPDATE findable SET about = coalesce(NEW.description, ''), text = substr(coalesce(NEW.readme, ''), 1, 20000)
    WHERE kind = 'model' AND key = NEW.id;
END;

CREATE TRIGGER models_unfindable AFTER DELETE ON models BEGIN
    DELETE FROM findable WHERE kind = 'model' AND key = OLD.id;
END;

CREATE TRIGGER collections_findable AFTER INSERT ON collections BEGIN
    INSERT INTO findable (kind, key, name, about, text)
    VALUES ('collection', NEW.slug, NEW.name, NEW.description, coalesce(NEW.full_description, ''));
END;

CREATE TRIGGER collections_refound AFTER UPDATE ON collections BEGIN
    UPDATE findable SET name = NEW.name, about = NEW.description, text = coalesce(NEW.full_description, '')
    WHERE kind = 'collection' AND key = NEW.slug;
END;

CREATE TRIGGER collections_unfindable AFTER DELETE ON collections BEGIN
    DELETE FROM findable WHERE kind = 'collection' AND key = OLD.slug;
END;

INSERT INTO findable (kind, key, name, about, text)
SELECT 'model', id, owner || '/' || name, coalesce(description, ''), substr(coalesce(readme, ''), 1, 20000) FROM models;
