-- reviews.language is NOT NULL, without reading the table under a lock: the valid check proves it and has
-- then done its work (story 4). The index by course alone goes too: the one with the date, and the totals,
-- serve all its readers.
-- seedbed: phase=contract
-- seedbed: lock_timeout=5s

-- migrate:up
DO $$
DECLARE
    bad bigint;
BEGIN
    SELECT count(*) INTO bad FROM reviews WHERE language IS NULL;
    IF bad > 0 THEN
        RAISE EXCEPTION 'reviews.language cannot be NOT NULL: % reviews have none', bad
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Run the migrate phase again (language_backfill).';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'reviews'::regclass
                   AND conname = 'reviews_language_present' AND convalidated) THEN
        RAISE EXCEPTION 'reviews.language cannot be NOT NULL quickly: reviews_language_present is not valid yet'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Apply language_require first.';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_index
                   WHERE indexrelid = to_regclass('reviews_course_published_idx') AND indisvalid) THEN
        RAISE EXCEPTION 'reviews_course_id_idx cannot go: reviews_course_published_idx is missing or invalid'
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
END
$$;

-- In this order: NOT NULL while the check is still there, or the table is read under the lock after all.
ALTER TABLE reviews ALTER COLUMN language SET NOT NULL;
ALTER TABLE reviews DROP CONSTRAINT reviews_language_present;
COMMENT ON COLUMN reviews.language IS 'Language the author wrote in, e.g. en; und where nobody said.';
DROP INDEX reviews_course_id_idx;

-- migrate:down
-- Nothing is lost: a rule is relaxed and an index comes back. The index is built under a lock that stops
-- writers.
CREATE INDEX reviews_course_id_idx ON reviews (course_id);
COMMENT ON COLUMN reviews.language IS
    'Language the author wrote in, e.g. en; empty where the form did not ask.';
ALTER TABLE reviews ADD CONSTRAINT reviews_language_present CHECK (language IS NOT NULL);
ALTER TABLE reviews ALTER COLUMN language DROP NOT NULL;
