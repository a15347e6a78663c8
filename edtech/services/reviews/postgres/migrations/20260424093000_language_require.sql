-- A review without a language is refused from here on (story 4). NOT NULL the safe way: the check is added in
-- a moment, for new rows only, then validated under a lock that lets writers pass; NOT NULL itself comes with
-- the contract.
-- seedbed: phase=migrate
-- seedbed: lock_timeout=5s
-- seedbed: repeatable because "a check that is there is dropped before it is added, and validating twice does no harm"

-- migrate:up transaction:false
ALTER TABLE reviews DROP CONSTRAINT IF EXISTS reviews_language_present;
ALTER TABLE reviews ADD CONSTRAINT reviews_language_present CHECK (language IS NOT NULL) NOT VALID;
ALTER TABLE reviews VALIDATE CONSTRAINT reviews_language_present;

-- migrate:down transaction:false
ALTER TABLE reviews DROP CONSTRAINT IF EXISTS reviews_language_present;
