-- "Where am I signed in?" wants a device and a last sign of life for each session. This has nothing to do
-- with names, so it need not wait for the contract that drops users.name: it may pass it.
-- seedbed: phase=expand
-- seedbed: overtake=20260330090000
-- seedbed: lock_timeout=5s

-- migrate:up
ALTER TABLE sessions
    ADD COLUMN device       text,
    ADD COLUMN last_seen_at timestamptz;
COMMENT ON COLUMN sessions.device IS
    'What the browser or app calls itself; empty for sessions from before April 2026.';
COMMENT ON COLUMN sessions.last_seen_at IS
    'Written at most once a minute, or it would be the hottest column of the platform.';

-- migrate:down
ALTER TABLE sessions
    DROP COLUMN last_seen_at,
    DROP COLUMN device;
