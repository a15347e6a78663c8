-- Money given back. A payment can be refunded in parts, never beyond what was paid, whoever clicks at the
-- same moment.
-- The contract before it may wait for weeks, and refunds do not read what it drops.
-- seedbed: phase=expand
-- seedbed: overtake=20260406100000
-- seedbed: lock_timeout=5s

-- migrate:up
CREATE TYPE refund_reason AS ENUM ('withdrawal', 'course_cancelled', 'quality', 'duplicate', 'fraud', 'goodwill');
COMMENT ON TYPE refund_reason IS
    'Why money went back. Withdrawal: within the fourteen days that the law gives.';

CREATE TABLE refunds (
    id           uuid          NOT NULL DEFAULT gen_random_uuid(),
    payment_id   uuid          NOT NULL,
    amount_minor bigint        NOT NULL,
    currency     text          NOT NULL,
    reason       refund_reason NOT NULL,
    note         text,
    created_at   timestamptz   NOT NULL DEFAULT now(),
    CONSTRAINT refunds_pkey PRIMARY KEY (id),
    CONSTRAINT refunds_payment_id_fkey FOREIGN KEY (payment_id) REFERENCES payments (id),
    CONSTRAINT refunds_currency_fkey FOREIGN KEY (currency) REFERENCES currencies (code),
    CONSTRAINT refunds_amount_minor_positive CHECK (amount_minor > 0)
);
COMMENT ON TABLE refunds IS
    'Append-only. In the currency of the payment; all refunds of a payment together never exceed it.';
CREATE INDEX refunds_payment_id_idx ON refunds (payment_id);

CREATE FUNCTION refunds_immutable() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'refund % cannot be changed (%)', OLD.id, TG_OP USING ERRCODE = 'restrict_violation';
END
$$;
COMMENT ON FUNCTION refunds_immutable() IS 'Keeps refunds append-only.';
CREATE TRIGGER refunds_immutable BEFORE UPDATE OR DELETE ON refunds
    FOR EACH ROW EXECUTE FUNCTION refunds_immutable();

-- After the insert, not before: an upsert that ends in "nothing to do" still fires what stands before an
-- insert. The payment is locked first, so that two refunds of it queue up and the second one sees the first.
-- That needs READ COMMITTED, the default: a REPEATABLE READ transaction would sum up what its old snapshot
-- holds.
CREATE FUNCTION refunds_within_payment() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    paid     record;
    refunded numeric;
BEGIN
    SELECT amount_minor, currency INTO paid FROM payments WHERE id = NEW.payment_id FOR NO KEY UPDATE;
    IF NEW.currency IS DISTINCT FROM paid.currency THEN
        RAISE EXCEPTION 'payment % was made in %, not in %', NEW.payment_id, paid.currency, NEW.currency
            USING ERRCODE = 'check_violation';
    END IF;
    SELECT sum(amount_minor) INTO refunded FROM refunds WHERE payment_id = NEW.payment_id;
    IF refunded > paid.amount_minor THEN
        RAISE EXCEPTION 'refunds of payment % would come to %, and % was paid',
            NEW.payment_id, refunded, paid.amount_minor
            USING ERRCODE = 'check_violation', DETAIL = 'In minor units of ' || paid.currency || '.';
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION refunds_within_payment() IS
    'Refunds are in the currency of the payment and never exceed it.';
CREATE TRIGGER refunds_within_payment AFTER INSERT ON refunds
    FOR EACH ROW EXECUTE FUNCTION refunds_within_payment();

-- migrate:down
DROP TABLE refunds;
DROP FUNCTION refunds_within_payment();
DROP FUNCTION refunds_immutable();
DROP TYPE refund_reason;
