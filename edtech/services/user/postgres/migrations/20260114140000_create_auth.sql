-- How a user proves who they are, and the sessions that follow. A user may have several identities (a
-- password and a Google account), of which at most one is primary: the one that recovers the account.
-- seedbed: phase=expand
-- seedbed: lock_timeout=5s

-- migrate:up
CREATE TYPE auth_provider AS ENUM ('password', 'google', 'microsoft', 'saml');
COMMENT ON TYPE auth_provider IS 'Who vouches for an identity.';

CREATE TABLE auth_identities (
    id          bigint        GENERATED ALWAYS AS IDENTITY,
    user_id     uuid          NOT NULL,
    provider    auth_provider NOT NULL,
    subject     text          NOT NULL,
    secret_hash text,
    is_primary  boolean       NOT NULL DEFAULT false,
    created_at  timestamptz   NOT NULL DEFAULT now(),
    verified_at timestamptz,
    CONSTRAINT auth_identities_pkey PRIMARY KEY (id),
    CONSTRAINT auth_identities_provider_subject_key UNIQUE (provider, subject),
    CONSTRAINT auth_identities_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    -- A password without a hash would let anyone in; a hash for a federated identity has no meaning.
    CONSTRAINT auth_identities_secret_of_password CHECK ((provider = 'password') = (secret_hash IS NOT NULL))
);
COMMENT ON TABLE auth_identities IS 'Ways in. (provider, subject) is what the provider calls the person.';
COMMENT ON COLUMN auth_identities.secret_hash IS 'PHC string, e.g. $argon2id$...; only for passwords.';

CREATE UNIQUE INDEX auth_identities_one_primary_key ON auth_identities (user_id) WHERE is_primary;
COMMENT ON INDEX auth_identities_one_primary_key IS 'At most one primary identity per user.';
CREATE INDEX auth_identities_user_id_idx ON auth_identities (user_id);

CREATE TABLE sessions (
    id         uuid        NOT NULL,
    user_id    uuid        NOT NULL,
    token_hash bytea       NOT NULL,
    ip         inet,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    CONSTRAINT sessions_pkey PRIMARY KEY (id),
    CONSTRAINT sessions_token_hash_key UNIQUE (token_hash),
    CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT sessions_token_hash_sha256 CHECK (octet_length(token_hash) = 32),
    CONSTRAINT sessions_expires_later CHECK (expires_at > created_at)
);
COMMENT ON TABLE sessions IS 'Signed-in browsers and apps. Holds the hash of a token, never the token.';

-- "Sign me out everywhere" and the nightly clean-up only look at sessions that were not revoked.
CREATE INDEX sessions_user_id_live_idx ON sessions (user_id, expires_at) WHERE revoked_at IS NULL;

-- migrate:down
DROP TABLE sessions;
DROP TABLE auth_identities;
DROP TYPE auth_provider;
