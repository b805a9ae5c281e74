-- What the catalogue shows: examples, collections, full-text search; and versions on their way out.

-- Fields that whoever made the model left open: the first push's hearth.yaml decides them.
ALTER TABLE models ADD COLUMN undecided json NOT NULL DEFAULT '[]';

-- Predictions that a model shows. The oldest one is the model's default example.
CREATE TABLE examples (
    id         text COLLATE "C" PRIMARY KEY REFERENCES predictions (id) ON DELETE CASCADE,
    model_id   text COLLATE "C" NOT NULL REFERENCES models (id) ON DELETE CASCADE,
    created_at double precision NOT NULL -- the prediction's
);

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
    sha256     text COLLATE "C" NOT NULL,
    version_id text COLLATE "C" NOT NULL REFERENCES versions (id) ON DELETE CASCADE,
    PRIMARY KEY (sha256, version_id)
);

CREATE INDEX version_sources_of_version ON version_sources (version_id);

INSERT INTO version_sources
SELECT DISTINCT s ->> 'sha256', v.id FROM versions v, json_array_elements(v.recipe -> 'source') s;

CREATE FUNCTION hearth_version_needs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO version_sources
    SELECT DISTINCT s ->> 'sha256', NEW.id FROM json_array_elements(NEW.recipe -> 'source') s ON CONFLICT DO NOTHING;
    DELETE FROM version_deletions WHERE version_id = NEW.id; -- made again: what is left of it stays
    RETURN NULL;
END
$$;

CREATE TRIGGER versions_need_sources AFTER INSERT ON versions
FOR EACH ROW EXECUTE FUNCTION hearth_version_needs();

CREATE INDEX builds_open ON builds (created_at, id) WHERE completed_at IS NULL;

-- Versions that were deleted, until nothing is left of their predictions, files and sources.
CREATE TABLE version_deletions (
    version_id text COLLATE "C" PRIMARY KEY,
    model      text NOT NULL,
    source     json NOT NULL,
    weights    text,
    created_at double precision NOT NULL
);

CREATE TABLE collections (
    slug             text COLLATE "C" PRIMARY KEY,
    name             text NOT NULL,
    description      text NOT NULL,
    full_description text,
    created_at       double precision NOT NULL
);

CREATE INDEX collections_by_age ON collections (created_at, slug);

CREATE TABLE collection_models (
    slug     text COLLATE "C" NOT NULL REFERENCES collections (slug) ON DELETE CASCADE,
    model_id text COLLATE "C" NOT NULL REFERENCES models (id) ON DELETE CASCADE,
    position bigint NOT NULL,
    PRIMARY KEY (slug, model_id)
);

CREATE INDEX collection_models_in_order ON collection_models (slug, position);
CREATE INDEX collections_of_model ON collection_models (model_id);

-- Groups of three letters, for words that are spelled wrong. (pg_trgm does the same, but is not on every server.)
CREATE FUNCTION hearth_trigrams(words text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(DISTINCT substr(lower(words), n, 3)), '{}')
    FROM generate_series(1, char_length(words) - 2) n
$$;

-- Everything that can be searched for. Names count most, then the description. Words are there as they are,
-- for their beginnings, and by their stems. Separators within names would hide their parts.
CREATE FUNCTION hearth_words(name text, about text, more text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT setweight(to_tsvector('pg_catalog.simple', name), 'A')
        || setweight(to_tsvector('pg_catalog.english', name), 'A')
        || setweight(to_tsvector('pg_catalog.simple', about), 'B')
        || setweight(to_tsvector('pg_catalog.english', about), 'B')
        || setweight(to_tsvector('pg_catalog.english', more), 'D')
$$;

CREATE TABLE findable (
    kind     text NOT NULL CHECK (kind IN ('model', 'collection', 'page')),
    key      text COLLATE "C" NOT NULL, -- model id, collection slug, page address
    name     text NOT NULL,
    about    text NOT NULL,
    text     text NOT NULL,
    words    tsvector NOT NULL GENERATED ALWAYS AS (
        hearth_words(translate(name, '-_./', '    '), translate(about, '-_./', '    '), text)) STORED,
    trigrams text[] NOT NULL GENERATED ALWAYS AS (hearth_trigrams(name || ' ' || left(about, 300))) STORED,
    PRIMARY KEY (kind, key)
);

CREATE INDEX findable_words ON findable USING gin (words);
CREATE INDEX findable_trigrams ON findable USING gin (trigrams);

-- A readme's beginning says what the model is.
CREATE FUNCTION hearth_find_model() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM findable WHERE kind = 'model' AND key = OLD.id;
        RETURN NULL;
    END IF;
    INSERT INTO findable (kind, key, name, about, text) VALUES (
        'model', NEW.id, NEW.owner || '/' || NEW.name, left(coalesce(NEW.description, ''), 20000),
        left(coalesce(NEW.readme, ''), 20000)
    ) ON CONFLICT (kind, key) DO UPDATE SET about = excluded.about, text = excluded.text;
    RETURN NULL;
END
$$;

CREATE TRIGGER models_findable AFTER INSERT OR DELETE OR UPDATE OF description, readme ON models
FOR EACH ROW EXECUTE FUNCTION hearth_find_model();

CREATE FUNCTION hearth_find_collection() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM findable WHERE kind = 'collection' AND key = OLD.slug;
        RETURN NULL;
    END IF;
    INSERT INTO findable (kind, key, name, about, text) VALUES (
        'collection', NEW.slug, NEW.name, left(NEW.description, 20000), left(coalesce(NEW.full_description, ''), 20000)
    ) ON CONFLICT (kind, key) DO UPDATE SET name = excluded.name, about = excluded.about, text = excluded.text;
    RETURN NULL;
END
$$;

CREATE TRIGGER collections_findable AFTER INSERT OR DELETE OR UPDATE ON collections
FOR EACH ROW EXECUTE FUNCTION hearth_find_collection();

INSERT INTO findable (kind, key, name, about, text)
SELECT 'model', id, owner || '/' || name, left(coalesce(description, ''), 20000), left(coalesce(readme, ''), 20000)
FROM models;
