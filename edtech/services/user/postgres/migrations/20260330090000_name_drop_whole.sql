-- The parts are the name now (story 1): no deployed code reads or writes users.name any more, so the column,
-- the trigger that fed it and its place in active_users go.
-- seedbed: phase=contract
-- seedbed: lock_timeout=5s

-- migrate:up
DO $$
DECLARE
    bad   bigint;
    first uuid;
BEGIN
    SELECT count(*), min(id::text)::uuid INTO bad, first
    FROM users
    WHERE given_name IS NULL OR name IS DISTINCT FROM concat_ws(' ', given_name, family_name);
    IF bad > 0 THEN
        RAISE EXCEPTION 'users.name cannot go: % of its rows do not follow from given_name and family_name, first %',
            bad, first
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Run the migrate phase again (name_backfill_parts), then look at what is left.';
    END IF;
END
$$;

-- The view rests on the column, so it goes first and comes back without it. Grants on the view have to be
-- given again.
DROP VIEW active_users;
DROP TRIGGER users_keep_names ON users;
DROP FUNCTION users_keep_names();
-- No scan: the valid check proves it. In this order; without the check the table would be read under the lock.
ALTER TABLE users ALTER COLUMN given_name SET NOT NULL;
ALTER TABLE users DROP CONSTRAINT users_given_name_present;
ALTER TABLE users DROP COLUMN name;

CREATE VIEW active_users AS
SELECT id, email, given_name, family_name, created_at
FROM users
WHERE status = 'active';
COMMENT ON VIEW active_users IS
    'Accounts that may sign in. Support and analytics read this, never the table.';

-- migrate:down
-- Nothing is lost: up made sure that every name was its parts joined by a blank, and joins them again here.
-- Writes every row once while the table is locked: an emergency exit, not a routine.
DROP VIEW active_users;
ALTER TABLE users ADD COLUMN name text;
COMMENT ON COLUMN users.name IS 'Full name as shown to others.';
-- updated_at means that somebody changed the account; putting a column back is not that.
ALTER TABLE users DISABLE TRIGGER users_updated_at;
UPDATE users SET name = concat_ws(' ', given_name, family_name);
ALTER TABLE users ENABLE TRIGGER users_updated_at;
ALTER TABLE users
    ALTER COLUMN name SET NOT NULL,
    ADD CONSTRAINT users_name_trimmed CHECK (name = btrim(name) AND name <> ''),
    ADD CONSTRAINT users_given_name_present CHECK (given_name IS NOT NULL),
    ALTER COLUMN given_name DROP NOT NULL;

CREATE FUNCTION users_keep_names() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    particles constant text[] := '{af,al,bin,da,das,de,del,della,den,der,di,do,dos,du,el,la,le,ten,ter,van,von,zu}';
    words     text[];
    border    integer;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.given_name IS NULL AND NEW.family_name IS NULL THEN
            NULL;  -- old form: split below
        ELSE
            NEW.name := concat_ws(' ', NEW.given_name, NEW.family_name);
            RETURN NEW;
        END IF;
    ELSIF (NEW.given_name, NEW.family_name) IS DISTINCT FROM (OLD.given_name, OLD.family_name) THEN
        -- Both emptied is the backfill on its way back: the name is all that is left, so it stays.
        IF NEW.given_name IS NOT NULL OR NEW.family_name IS NOT NULL THEN
            NEW.name := concat_ws(' ', NEW.given_name, NEW.family_name);
        END IF;
        RETURN NEW;
    ELSIF NEW.name IS NOT DISTINCT FROM OLD.name THEN
        RETURN NEW;
    END IF;

    words := string_to_array(NEW.name, ' ');
    border := cardinality(words);
    IF border < 2 THEN
        NEW.given_name := NEW.name;
        NEW.family_name := NULL;
        RETURN NEW;
    END IF;
    WHILE border > 2 AND lower(words[border - 1]) = ANY (particles) LOOP
        border := border - 1;
    END LOOP;
    NEW.given_name := array_to_string(words[:border - 1], ' ');
    NEW.family_name := array_to_string(words[border:], ' ');
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION users_keep_names() IS
    'Keeps name and its parts in step while code of both kinds runs; the parts win.';

CREATE TRIGGER users_keep_names BEFORE INSERT OR UPDATE OF name, given_name, family_name ON users
    FOR EACH ROW EXECUTE FUNCTION users_keep_names();

CREATE VIEW active_users AS
SELECT id, email, name, created_at, given_name, family_name
FROM users
WHERE status = 'active';
COMMENT ON VIEW active_users IS
    'Accounts that may sign in. Support and analytics read this, never the table.';
