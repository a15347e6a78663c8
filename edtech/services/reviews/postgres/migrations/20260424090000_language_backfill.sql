-- Reviews from before get the language "und" (story 4). Code that writes an explicit NULL has to be gone by
-- now; the check in the next migration would stop it.
-- The way back empties every "und", also those that new code wrote: empty is the older way to say the same.
-- seedbed: phase=migrate
-- seedbed: backfill=reviews.id batch=1000
-- seedbed: lock_timeout=5s

-- migrate:up
UPDATE reviews SET language = 'und' WHERE id BETWEEN $1 AND $2 AND language IS NULL;

-- migrate:down
UPDATE reviews SET language = NULL WHERE id BETWEEN $1 AND $2 AND language = 'und';
