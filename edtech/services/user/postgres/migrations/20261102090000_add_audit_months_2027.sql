-- Months of 2027 for the audit trail, two months ahead. Events that already carry a date of 2027 (clocks are
-- wrong somewhere every year) sit in the default partition, and a month cannot be attached while the default
-- holds its rows: so the default is taken off, emptied of them and put back.
-- Sign-ins wait for their audit row while this runs. It is short, because the default partition is nearly
-- empty; if it is not, find out why first.
-- seedbed: phase=expand
-- seedbed: lock_timeout=5s
-- seedbed: statement_timeout=30s

-- migrate:up
-- Detaching also takes the append-only trigger off the default partition; attaching puts it on again.
ALTER TABLE audit_events DETACH PARTITION audit_events_default;

DO $$
DECLARE
    month date;
BEGIN
    FOR month IN SELECT generate_series(date '2027-01-01', date '2027-12-01', interval '1 month') LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF audit_events FOR VALUES FROM (%L) TO (%L)',
                       'audit_events_' || to_char(month, 'YYYY_MM'),
                       to_char(month, 'YYYY-MM-DD') || ' 00:00:00+00',
                       to_char(month + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00');
    END LOOP;
END
$$;

INSERT INTO audit_events
SELECT * FROM audit_events_default
WHERE occurred_at >= '2027-01-01 00:00:00+00' AND occurred_at < '2028-01-01 00:00:00+00';
DELETE FROM audit_events_default
WHERE occurred_at >= '2027-01-01 00:00:00+00' AND occurred_at < '2028-01-01 00:00:00+00';

ALTER TABLE audit_events ATTACH PARTITION audit_events_default DEFAULT;

-- migrate:down
-- No event is lost: what the months hold moves to the default partition before they go.
DO $$
DECLARE
    month text;
BEGIN
    FOR month IN SELECT 'audit_events_' || to_char(m, 'YYYY_MM')
                 FROM generate_series(date '2027-01-01', date '2027-12-01', interval '1 month') AS m LOOP
        EXECUTE format('ALTER TABLE audit_events DETACH PARTITION %I', month);
        EXECUTE format('INSERT INTO audit_events SELECT * FROM %I', month);
        EXECUTE format('DROP TABLE %I', month);
    END LOOP;
END
$$;
