-- Readers search reviews. The search vector is a generated column, so no writer can forget it. Adding a
-- stored column rewrites the table under a lock: done while reviews are few; on a big table it would have to
-- be filled by a backfill.
-- seedbed: phase=expand
-- seedbed: lock_timeout=5s
-- seedbed: statement_timeout=30s

-- migrate:up
-- The configuration is a literal in each branch and language stays text: a column of type regconfig would be
-- the shorter way, and pg_upgrade refuses to carry such a column into the next major version.
ALTER TABLE reviews ADD COLUMN search tsvector GENERATED ALWAYS AS (
    setweight(
        CASE language
            WHEN 'de' THEN to_tsvector('pg_catalog.german'::regconfig, title)
            WHEN 'en' THEN to_tsvector('pg_catalog.english'::regconfig, title)
            WHEN 'es' THEN to_tsvector('pg_catalog.spanish'::regconfig, title)
            ELSE to_tsvector('pg_catalog.simple'::regconfig, title)
        END, 'A')
    || setweight(
        CASE language
            WHEN 'de' THEN to_tsvector('pg_catalog.german'::regconfig, body)
            WHEN 'en' THEN to_tsvector('pg_catalog.english'::regconfig, body)
            WHEN 'es' THEN to_tsvector('pg_catalog.spanish'::regconfig, body)
            ELSE to_tsvector('pg_catalog.simple'::regconfig, body)
        END, 'B')
) STORED;
COMMENT ON COLUMN reviews.search IS
    'Words of title (A) and body (B), stemmed by language; kept by the database.';

-- migrate:down
ALTER TABLE reviews DROP COLUMN search;
