-- Everyone the platform knows: the account that other services point at, and the profile other people see.
-- Ids are made by the application, so that a service can name a user before this database has answered.
-- seedbed: phase=expand

-- migrate:up
CREATE TYPE user_status AS ENUM ('pending', 'active', 'suspended', 'closed');
COMMENT ON TYPE user_status IS
    'Life of an account. A closed account keeps its row: payments and reviews still point at it.';

-- One function for every table with an updated_at, so that no writer has to remember it.
CREATE FUNCTION set_updated_at() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION set_updated_at() IS 'Stamps updated_at on every changed row.';

CREATE TABLE users (
    id           uuid        NOT NULL DEFAULT gen_random_uuid(),
    email        text        NOT NULL,
    -- Organisations claim users by domain. Stored, because a lookup by domain is on the sign-up path.
    email_domain text        GENERATED ALWAYS AS (lower(split_part(email, '@', -1))) STORED,
    name         text        NOT NULL,
    status       user_status NOT NULL DEFAULT 'pending',
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT users_email_key UNIQUE (email),
    CONSTRAINT users_email_has_domain CHECK (email ~ '^[^[:space:]]+@[^[:space:]@]+$'),
    CONSTRAINT users_name_trimmed CHECK (name = btrim(name) AND name <> '')
);
COMMENT ON TABLE users IS 'One row per account. Never deleted: other services hold its id.';
COMMENT ON COLUMN users.email IS 'As the user typed it; mail is sent to exactly this.';
COMMENT ON COLUMN users.email_domain IS 'What follows the last @, in lower case; kept by the database.';
COMMENT ON COLUMN users.name IS 'Full name as shown to others.';

CREATE INDEX users_email_domain_idx ON users (email_domain);

CREATE TRIGGER users_updated_at BEFORE UPDATE ON users
    FOR EACH ROW EXECUTE FUNCTION set_updated_at();

CREATE TABLE profiles (
    user_id    uuid        NOT NULL,
    headline   text,
    bio        text,
    locale     text        NOT NULL DEFAULT 'en',
    time_zone  text        NOT NULL DEFAULT 'UTC',
    links      jsonb       NOT NULL DEFAULT '[]',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT profiles_pkey PRIMARY KEY (user_id),
    CONSTRAINT profiles_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT profiles_headline_short CHECK (char_length(headline) <= 160),
    CONSTRAINT profiles_locale_tag CHECK (locale ~ '^[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?$'),
    CONSTRAINT profiles_links_list CHECK (jsonb_typeof(links) = 'array')
);
COMMENT ON TABLE profiles IS 'What a user tells others; may be emptied on request while the account stays.';
COMMENT ON COLUMN profiles.locale IS 'BCP 47 tag: language, script and region at most.';

CREATE TRIGGER profiles_updated_at BEFORE UPDATE ON profiles
    FOR EACH ROW EXECUTE FUNCTION set_updated_at();

-- Columns are listed one by one: a view made with * would freeze today's list and hide that it rests on each
-- of them.
CREATE VIEW active_users AS
SELECT id, email, name, created_at
FROM users
WHERE status = 'active';
COMMENT ON VIEW active_users IS
    'Accounts that may sign in. Support and analytics read this, never the table.';

-- migrate:down
DROP VIEW active_users;
DROP TABLE profiles;
DROP TABLE users;
DROP FUNCTION set_updated_at();
DROP TYPE user_status;
