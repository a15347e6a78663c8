-- Schools and companies buy seats for their people. An organisation may own an e-mail domain; users with an
-- address there are offered to join.
-- seedbed: phase=expand
-- seedbed: lock_timeout=5s

-- migrate:up
CREATE TYPE membership_role AS ENUM ('member', 'manager', 'owner');
COMMENT ON TYPE membership_role IS
    'Rank inside one organisation; ordered, so that role >= ''manager'' reads as it should.';

CREATE TABLE organisations (
    id         uuid        NOT NULL,
    slug       text        NOT NULL,
    name       text        NOT NULL,
    domain     text,
    settings   jsonb       NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT organisations_pkey PRIMARY KEY (id),
    CONSTRAINT organisations_slug_key UNIQUE (slug),
    CONSTRAINT organisations_domain_key UNIQUE (domain),
    CONSTRAINT organisations_slug_plain CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    CONSTRAINT organisations_domain_lower CHECK (domain = lower(domain)),
    CONSTRAINT organisations_settings_object CHECK (jsonb_typeof(settings) = 'object')
);
COMMENT ON TABLE organisations IS 'Schools and companies that buy for their people.';
COMMENT ON COLUMN organisations.domain IS
    'Matches users.email_domain; empty when the organisation owns none.';

CREATE TRIGGER organisations_updated_at BEFORE UPDATE ON organisations
    FOR EACH ROW EXECUTE FUNCTION set_updated_at();

CREATE TABLE memberships (
    organisation_id uuid            NOT NULL,
    user_id         uuid            NOT NULL,
    role            membership_role NOT NULL DEFAULT 'member',
    joined_at       timestamptz     NOT NULL DEFAULT now(),
    left_at         timestamptz,
    CONSTRAINT memberships_pkey PRIMARY KEY (organisation_id, user_id),
    CONSTRAINT memberships_organisation_id_fkey FOREIGN KEY (organisation_id) REFERENCES organisations (id),
    CONSTRAINT memberships_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT memberships_left_after_joining CHECK (left_at >= joined_at)
);
COMMENT ON TABLE memberships IS
    'Who belongs to which organisation. Leaving sets left_at; coming back clears it.';

CREATE INDEX memberships_user_id_idx ON memberships (user_id);
CREATE UNIQUE INDEX memberships_one_owner_key ON memberships (organisation_id)
    WHERE role = 'owner' AND left_at IS NULL;
COMMENT ON INDEX memberships_one_owner_key IS 'At most one present owner per organisation.';

-- migrate:down
DROP TABLE memberships;
DROP TABLE organisations;
DROP TYPE membership_role;
