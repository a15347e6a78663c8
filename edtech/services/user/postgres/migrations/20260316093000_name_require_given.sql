-- Every user has a given name from here on (story 1). The checks are added without looking at the table,
-- which takes a lock for a moment only, and are then validated under a lock that lets readers and writers
-- pass. The contract that follows can set NOT NULL without a scan, because a valid check already proves it.
-- Only after the backfill: a check that is not yet valid still refuses every update of a row that breaks it.
-- seedbed: phase=migrate
-- seedbed: lock_timeout=5s
-- seedbed: repeatable because "a check that is there is dropped before it is added, and validating twice does no harm"

-- migrate:up transaction:false
ALTER TABLE users DROP CONSTRAINT IF EXISTS users_given_name_present;
ALTER TABLE users ADD CONSTRAINT users_given_name_present CHECK (given_name IS NOT NULL) NOT VALID;
-- What users_name_trimmed says of the whole, said of the parts; outlives it.
ALTER TABLE users DROP CONSTRAINT IF EXISTS users_name_parts_trimmed;
ALTER TABLE users ADD CONSTRAINT users_name_parts_trimmed CHECK (
    given_name <> '' AND given_name = ltrim(given_name)
    AND family_name <> '' AND coalesce(family_name, given_name) = rtrim(coalesce(family_name, given_name))
) NOT VALID;
ALTER TABLE users VALIDATE CONSTRAINT users_given_name_present;
ALTER TABLE users VALIDATE CONSTRAINT users_name_parts_trimmed;

-- migrate:down transaction:false
ALTER TABLE users DROP CONSTRAINT IF EXISTS users_name_parts_trimmed;
ALTER TABLE users DROP CONSTRAINT IF EXISTS users_given_name_present;
