-- Two beginnings (story 4). A review has a language from now on, "und" (undetermined, as BCP 47 has it) where
-- nobody said; writers that leave the column out get it by default. And the course page lists published
-- reviews, newest first, which wants an index of its own, built while writers go on.
-- seedbed: phase=expand
-- seedbed: repeatable because "a default can be set twice, and a half-built index is dropped before the next try"

-- migrate:up transaction:false
ALTER TABLE reviews ALTER COLUMN language SET DEFAULT 'und';
DROP INDEX CONCURRENTLY IF EXISTS reviews_course_published_idx;
CREATE INDEX CONCURRENTLY reviews_course_published_idx ON reviews (course_id, created_at DESC)
    WHERE status = 'published';

-- migrate:down transaction:false
DROP INDEX CONCURRENTLY IF EXISTS reviews_course_published_idx;
ALTER TABLE reviews ALTER COLUMN language DROP DEFAULT;
