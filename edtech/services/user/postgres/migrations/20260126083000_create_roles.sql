-- What a user may do. Roles are reference data (seeds/reference), the same in every environment; who has
-- which is data.
-- seedbed: phase=expand
-- seedbed: lock_timeout=5s

-- migrate:up
CREATE TABLE roles (
    code        text    NOT NULL,
    name        text    NOT NULL,
    description text    NOT NULL,
    staff       boolean NOT NULL,
    CONSTRAINT roles_pkey PRIMARY KEY (code),
    CONSTRAINT roles_name_key UNIQUE (name),
    CONSTRAINT roles_code_plain CHECK (code ~ '^[a-z][a-z_]*$')
);
COMMENT ON TABLE roles IS 'Reference data: the roles that code asks for by name.';
COMMENT ON COLUMN roles.staff IS 'Held by people who work here; granting one is always audited.';

CREATE TABLE user_roles (
    user_id    uuid        NOT NULL,
    role_code  text        NOT NULL,
    granted_by uuid,
    granted_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT user_roles_pkey PRIMARY KEY (user_id, role_code),
    CONSTRAINT user_roles_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT user_roles_role_code_fkey FOREIGN KEY (role_code) REFERENCES roles (code),
    CONSTRAINT user_roles_granted_by_fkey FOREIGN KEY (granted_by) REFERENCES users (id)
);
COMMENT ON TABLE user_roles IS 'Who has which role. granted_by is empty for roles given at sign-up.';

-- A foreign key does not index its own side: without these, deleting a role or a user reads the whole table.
CREATE INDEX user_roles_role_code_idx ON user_roles (role_code);
CREATE INDEX user_roles_granted_by_idx ON user_roles (granted_by) WHERE granted_by IS NOT NULL;

-- migrate:down
DROP TABLE user_roles;
DROP TABLE roles;
