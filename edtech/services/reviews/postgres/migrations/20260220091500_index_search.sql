-- The index that search rests on. A GIN index takes long to build, so it is built while writers go on; that
-- cannot happen inside a transaction.
-- seedbed: phase=expand
-- seedbed: repeatable because "an index that a failed build left half done is dropped before the next try"

-- migrate:up transaction:false
DROP INDEX CONCURRENTLY IF EXISTS reviews_search_idx;
CREATE INDEX CONCURRENTLY reviews_search_idx ON reviews USING gin (search);

-- migrate:down transaction:false
DROP INDEX CONCURRENTLY IF EXISTS reviews_search_idx;
