-- Who did what to whom, for seven years. One partition per month, because retention then drops a table in
-- milliseconds instead of deleting rows for hours, and because nearly all reads are about last month.
-- seedbed: phase=expand

-- migrate:up
CREATE TABLE audit_events (
    id          uuid        NOT NULL,
    occurred_at timestamptz NOT NULL,
    actor_id    uuid,
    subject_id  uuid,
    action      text        NOT NULL,
    details     jsonb       NOT NULL DEFAULT '{}',
    -- A key of a partitioned table has to contain the partition column: uniqueness is per (id, instant), not
    -- per id.
    CONSTRAINT audit_events_pkey PRIMARY KEY (id, occurred_at),
    CONSTRAINT audit_events_action_dotted CHECK (action ~ '^[a-z_]+(\.[a-z_]+)+$'),
    CONSTRAINT audit_events_details_object CHECK (jsonb_typeof(details) = 'object')
) PARTITION BY RANGE (occurred_at);
COMMENT ON TABLE audit_events IS 'Append-only record of what people did; partitioned by month (UTC).';
COMMENT ON COLUMN audit_events.actor_id IS
    'User who acted; empty when the system did. No foreign key: the record outlives the account.';

CREATE INDEX audit_events_subject_id_idx ON audit_events (subject_id, occurred_at DESC);
CREATE INDEX audit_events_actor_id_idx ON audit_events (actor_id, occurred_at DESC);

-- Months with explicit UTC bounds: a bare date would be read in whatever time zone the session happens to have.
DO $$
DECLARE
    month date;
BEGIN
    FOR month IN SELECT generate_series(date '2026-01-01', date '2026-12-01', interval '1 month') LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF audit_events FOR VALUES FROM (%L) TO (%L)',
                       'audit_events_' || to_char(month, 'YYYY_MM'),
                       to_char(month, 'YYYY-MM-DD') || ' 00:00:00+00',
                       to_char(month + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00');
    END LOOP;
END
$$;

-- A forgotten month must not stop sign-ins: what fits nowhere lands here, and monitoring counts it.
CREATE TABLE audit_events_default PARTITION OF audit_events DEFAULT;
COMMENT ON TABLE audit_events_default IS
    'Events outside every declared month. Rows here mean that a partition is missing.';

CREATE FUNCTION audit_events_refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit events are never changed (% of event %)', TG_OP, OLD.id
        USING ERRCODE = 'restrict_violation',
              HINT = 'Record a new event that corrects the old one; retention drops whole partitions.';
END
$$;
COMMENT ON FUNCTION audit_events_refuse_change() IS 'Keeps audit_events append-only.';

CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION audit_events_refuse_change();

-- migrate:down
DROP TABLE audit_events;
DROP FUNCTION audit_events_refuse_change();
