-- Passkeys become a way in. Nothing may use the new label in the same transaction that adds it, hence a file
-- of its own.
-- seedbed: phase=expand
-- seedbed: irreversible because "PostgreSQL cannot drop an enum label; a new type would rewrite auth_identities"

-- migrate:up
ALTER TYPE auth_provider ADD VALUE 'passkey' AFTER 'microsoft';
