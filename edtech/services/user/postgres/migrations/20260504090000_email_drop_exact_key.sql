-- Every deployed lookup goes by lower(email) now (story 2), and what is unique ignoring case is unique. The
-- old key costs one more index write per sign-up and gives nothing.
-- seedbed: phase=contract
-- seedbed: lock_timeout=5s
-- seedbed: repeatable because "every statement looks first, or drops what a broken try left"

-- migrate:up transaction:false
DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_index
        WHERE indexrelid = to_regclass('users_email_lower_key') AND indisvalid AND indisready AND indisunique
    ) THEN
        RAISE EXCEPTION 'users_email_key cannot go: no valid unique index users_email_lower_key stands behind it'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'An interrupted concurrent build leaves an invalid index. Build it again first.';
    END IF;
END
$$;

ALTER TABLE users DROP CONSTRAINT IF EXISTS users_email_key;

-- migrate:down transaction:false
-- Cannot fail on data: addresses that differ when case is ignored differ anyway.
ALTER TABLE users DROP CONSTRAINT IF EXISTS users_email_key;
DROP INDEX CONCURRENTLY IF EXISTS users_email_key;
CREATE UNIQUE INDEX CONCURRENTLY users_email_key ON users (email);
ALTER TABLE users ADD CONSTRAINT users_email_key UNIQUE USING INDEX users_email_key;
