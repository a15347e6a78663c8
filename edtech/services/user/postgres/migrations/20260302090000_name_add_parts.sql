-- Letters that begin "Dear Ana López" and lists sorted by family name need the parts of a name, so users.name
-- becomes given_name and family_name (story 1, in four files: add, backfill, require, drop). From here on
-- both forms are kept in step by a trigger, so code that knows only `name` and code that knows only the parts
-- may run side by side.
-- seedbed: phase=expand
-- seedbed: lock_timeout=5s

-- migrate:up
ALTER TABLE users
    ADD COLUMN given_name  text,
    ADD COLUMN family_name text;
COMMENT ON COLUMN users.given_name IS 'What friends say; the whole name where a person has only one.';
COMMENT ON COLUMN users.family_name IS 'Empty where a person has only one name.';

-- The border: before the last word, or before the particles that lead it ("Vincent | van Gogh", "Ana | de la
-- Cruz"). Splitting and joining at single blanks gives back exactly the text that came in, even where
-- somebody typed two. The backfill (20260316090000_name_backfill_parts.py) has the same rule in Python:
-- change both or neither.
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

-- Fires before users_updated_at (row triggers go by name); the two touch different columns, so the order is
-- of no matter.
CREATE TRIGGER users_keep_names BEFORE INSERT OR UPDATE OF name, given_name, family_name ON users
    FOR EACH ROW EXECUTE FUNCTION users_keep_names();

-- A view can gain columns at its end in place; whoever reads it notices nothing.
CREATE OR REPLACE VIEW active_users AS
SELECT id, email, name, created_at, given_name, family_name
FROM users
WHERE status = 'active';

-- migrate:down
-- name was kept whole all along. What goes is a border that a person drew by hand where the rule draws
-- another. A view cannot lose columns in place. Grants on it go with the old one: re-grant where roles other
-- than the owner read it.
DROP VIEW active_users;
CREATE VIEW active_users AS
SELECT id, email, name, created_at
FROM users
WHERE status = 'active';
COMMENT ON VIEW active_users IS
    'Accounts that may sign in. Support and analytics read this, never the table.';

DROP TRIGGER users_keep_names ON users;
DROP FUNCTION users_keep_names();
ALTER TABLE users
    DROP COLUMN family_name,
    DROP COLUMN given_name;
