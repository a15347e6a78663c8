-- Ana@example.org and ana@example.org are one mailbox, and people sign up twice by accident. From here on no
-- two accounts may differ only in case (story 2). The accounts that already do are named before anything is
-- built: which of them stays is for support to decide, with the people, and nothing that a migration could
-- guess.
-- The index is built without stopping writers, which cannot happen inside a transaction, so each statement
-- stands alone.
-- seedbed: phase=expand
-- seedbed: repeatable because "the check only reads, and a half-built index is dropped before the next try"

-- migrate:up transaction:false
DO $$
DECLARE
    clashes bigint;
    list    text;
BEGIN
    SELECT count(*), string_agg(line, E'\n' ORDER BY line) FILTER (WHERE n <= 20) INTO clashes, list
    FROM (
        SELECT row_number() OVER (ORDER BY lower(email)) AS n,
               lower(email) || ': ' || string_agg(email || ' (' || id || ')', ', ' ORDER BY created_at, id) AS line
        FROM users
        GROUP BY lower(email)
        HAVING count(*) > 1
    ) AS same;
    IF clashes > 0 THEN
        RAISE EXCEPTION '% e-mail addresses belong to more than one account once case is ignored', clashes
            USING ERRCODE = 'unique_violation',
                  DETAIL = list,
                  HINT = 'Merge or rename these accounts (oldest first, 20 addresses at most), then apply again.';
    END IF;
END
$$;

-- What a failed concurrent build leaves behind is invalid, in nobody's plan, and in the way of its own name.
DROP INDEX CONCURRENTLY IF EXISTS users_email_lower_key;
CREATE UNIQUE INDEX CONCURRENTLY users_email_lower_key ON users (lower(email));
COMMENT ON INDEX users_email_lower_key IS
    'One account per mailbox, however it is typed. Look users up by lower(email).';

-- migrate:down transaction:false
DROP INDEX CONCURRENTLY IF EXISTS users_email_lower_key;
