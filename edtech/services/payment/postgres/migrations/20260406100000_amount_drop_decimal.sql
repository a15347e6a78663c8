-- amount_minor and currency are the amount (story 3): no deployed code reads or writes payments.amount any
-- more. Both sides are compared once more, row by row and before any lock, because this is the last time that
-- it can be done.
-- seedbed: phase=contract
-- seedbed: lock_timeout=5s

-- migrate:up
DO $$
DECLARE
    bad   bigint;
    first text;
BEGIN
    SELECT count(*), min(p.id::text) INTO bad, first
    FROM payments AS p
    LEFT JOIN currencies AS c ON c.code = p.currency
    WHERE p.amount_minor IS NULL OR p.currency IS NULL OR c.minor_units IS NULL
       OR p.amount * (ARRAY[1, 10, 100, 1000, 10000])[c.minor_units + 1] <> p.amount_minor;
    IF bad > 0 THEN
        RAISE EXCEPTION 'payments.amount cannot go: % payments are not converted or not the same, first %', bad, first
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Run the migrate phase again (amount_backfill_minor), then look at what is left.';
    END IF;
    IF (SELECT count(*) FROM pg_constraint
        WHERE conrelid = 'payments'::regclass AND convalidated
          AND conname IN ('payments_amount_minor_present', 'payments_currency_present')) < 2 THEN
        RAISE EXCEPTION 'payments.amount cannot go: the checks that make SET NOT NULL quick are not valid yet'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Apply amount_require_minor first.';
    END IF;
END
$$;

-- No scan: the valid checks prove it. They have done their work then.
ALTER TABLE payments
    ALTER COLUMN amount_minor SET NOT NULL,
    ALTER COLUMN currency SET NOT NULL;
ALTER TABLE payments
    DROP CONSTRAINT payments_amount_minor_present,
    DROP CONSTRAINT payments_currency_present;

DROP TRIGGER payments_amount_forms ON payments;
DROP FUNCTION payments_amount_forms();

-- Closed again: what was agreed is the new form now, and nothing converts any more.
CREATE OR REPLACE FUNCTION payments_immutable() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'payment % cannot be deleted', OLD.id
            USING ERRCODE = 'restrict_violation', HINT = 'Cancel or refund it.';
    END IF;
    IF (NEW.id, NEW.customer_id, NEW.price_id, NEW.amount_minor, NEW.currency, NEW.provider, NEW.created_at)
        IS DISTINCT FROM
       (OLD.id, OLD.customer_id, OLD.price_id, OLD.amount_minor, OLD.currency, OLD.provider, OLD.created_at) THEN
        RAISE EXCEPTION 'what was agreed in payment % cannot be changed', OLD.id
            USING ERRCODE = 'restrict_violation', HINT = 'Only status, provider_reference and captured_at move on.';
    END IF;
    IF NEW.provider_reference IS DISTINCT FROM OLD.provider_reference AND OLD.provider_reference IS NOT NULL
        OR NEW.captured_at IS DISTINCT FROM OLD.captured_at AND OLD.captured_at IS NOT NULL THEN
        RAISE EXCEPTION 'the provider''s answer to payment % is already on record', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION payments_immutable() IS 'Lets a payment move on and nothing else.';

-- Takes payments_amount_positive along.
ALTER TABLE payments DROP COLUMN amount;
DROP FUNCTION minor_from_amount(numeric, text);
DROP FUNCTION amount_from_minor(bigint, text);

-- migrate:down
-- Every amount comes back exactly: amount_minor over ten to the minor units of its own currency, into a
-- column with four decimals, which is as many as any currency has. Writes every row once while the table is
-- locked (see README for how long a million takes): an emergency exit, not a routine.
CREATE FUNCTION minor_from_amount(amount numeric, currency text) RETURNS bigint
LANGUAGE plpgsql STABLE STRICT SET search_path = public, pg_temp AS $$
DECLARE
    units smallint;
    minor numeric;
BEGIN
    SELECT c.minor_units INTO units FROM currencies AS c WHERE c.code = minor_from_amount.currency;
    IF units IS NULL THEN
        RAISE EXCEPTION 'nothing can be paid in %: it has no minor unit', currency
            USING ERRCODE = 'data_exception';
    END IF;
    minor := amount * (ARRAY[1, 10, 100, 1000, 10000])[units + 1];
    IF minor <> trunc(minor) THEN
        RAISE EXCEPTION '% % is no whole number of minor units', amount, currency
            USING ERRCODE = 'data_exception';
    END IF;
    RETURN minor;
END
$$;
COMMENT ON FUNCTION minor_from_amount(numeric, text) IS
    'Exact or an error: 49.90 EUR is 4990, 1500 JPY is 1500, 1.250 BHD is 1250.';

CREATE FUNCTION amount_from_minor(minor bigint, currency text) RETURNS numeric
LANGUAGE plpgsql STABLE STRICT SET search_path = public, pg_temp AS $$
DECLARE
    units smallint;
BEGIN
    SELECT c.minor_units INTO units FROM currencies AS c WHERE c.code = amount_from_minor.currency;
    IF units IS NULL THEN
        RAISE EXCEPTION 'nothing can be paid in %: it has no minor unit', currency
            USING ERRCODE = 'data_exception';
    END IF;
    RETURN minor::numeric(24, 4) / (ARRAY[1, 10, 100, 1000, 10000])[units + 1];
END
$$;
COMMENT ON FUNCTION amount_from_minor(bigint, text) IS 'The way back of minor_from_amount, exact.';

ALTER TABLE payments ADD COLUMN amount numeric(16, 4);
COMMENT ON COLUMN payments.amount IS
    'In the currency of the price, e.g. 49.90; may be below the price when a voucher was used.';
-- payments_immutable knows no amount yet and lets this through; payments_updated_at only wakes when a payment
-- moves.
UPDATE payments
SET amount = amount_minor::numeric(24, 4) / (ARRAY[1, 10, 100, 1000, 10000])[currencies.minor_units + 1]
FROM currencies
WHERE currencies.code = payments.currency;
ALTER TABLE payments
    ALTER COLUMN amount SET NOT NULL,
    ADD CONSTRAINT payments_amount_positive CHECK (amount > 0),
    ADD CONSTRAINT payments_amount_minor_present CHECK (amount_minor IS NOT NULL),
    ADD CONSTRAINT payments_currency_present CHECK (currency IS NOT NULL),
    ALTER COLUMN amount_minor DROP NOT NULL,
    ALTER COLUMN currency DROP NOT NULL;

CREATE FUNCTION payments_amount_forms() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.amount_minor IS NULL AND NEW.currency IS NULL THEN
        -- Old form. A price that does not exist leaves everything empty, and the foreign key says so.
        SELECT currency INTO NEW.currency FROM prices WHERE id = NEW.price_id;
        NEW.amount_minor := minor_from_amount(NEW.amount, NEW.currency);
    ELSIF NEW.amount_minor IS NULL OR NEW.currency IS NULL THEN
        -- Guessing the other half would work today and break at the contract, when nobody is looking.
        RAISE EXCEPTION 'payment %: amount_minor and currency go together', NEW.id
            USING ERRCODE = 'not_null_violation';
    ELSIF NEW.amount IS NULL THEN
        NEW.amount := amount_from_minor(NEW.amount_minor, NEW.currency);
    ELSIF NEW.amount_minor IS DISTINCT FROM minor_from_amount(NEW.amount, NEW.currency) THEN
        RAISE EXCEPTION 'payment % says both % and % minor units of %',
            NEW.id, NEW.amount, NEW.amount_minor, NEW.currency
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION payments_amount_forms() IS
    'Fills the form of the amount that the writer does not know, and refuses two that disagree.';

CREATE TRIGGER payments_amount_forms BEFORE INSERT ON payments
    FOR EACH ROW EXECUTE FUNCTION payments_amount_forms();

CREATE OR REPLACE FUNCTION payments_immutable() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'payment % cannot be deleted', OLD.id
            USING ERRCODE = 'restrict_violation', HINT = 'Cancel or refund it.';
    END IF;
    IF (NEW.id, NEW.customer_id, NEW.price_id, NEW.amount, NEW.provider, NEW.created_at)
        IS DISTINCT FROM (OLD.id, OLD.customer_id, OLD.price_id, OLD.amount, OLD.provider, OLD.created_at) THEN
        RAISE EXCEPTION 'what was agreed in payment % cannot be changed', OLD.id
            USING ERRCODE = 'restrict_violation', HINT = 'Only status, provider_reference and captured_at move on.';
    END IF;
    IF (NEW.amount_minor, NEW.currency) IS DISTINCT FROM (OLD.amount_minor, OLD.currency) THEN
        IF OLD.amount_minor IS NULL AND OLD.currency IS NULL
            AND NEW.amount_minor = public.minor_from_amount(NEW.amount, NEW.currency) THEN
            NULL;  -- converted
        ELSIF NEW.amount_minor IS NULL AND NEW.currency IS NULL THEN
            NULL;  -- and back
        ELSE
            RAISE EXCEPTION 'the amount of payment % can be converted, not changed', OLD.id
                USING ERRCODE = 'restrict_violation';
        END IF;
    END IF;
    IF NEW.provider_reference IS DISTINCT FROM OLD.provider_reference AND OLD.provider_reference IS NOT NULL
        OR NEW.captured_at IS DISTINCT FROM OLD.captured_at AND OLD.captured_at IS NOT NULL THEN
        RAISE EXCEPTION 'the provider''s answer to payment % is already on record', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION payments_immutable() IS
    'Lets a payment move on, lets its amount be converted, and nothing else.';
