-- payments.amount becomes amount_minor and currency (story 3), and writers do not stop for it: from here on a
-- trigger fills whichever form is missing, so the code before and the code after may both insert. A currency
-- that is not the price's cannot get in: the pair (price_id, currency) is a foreign key.
-- seedbed: phase=expand
-- seedbed: lock_timeout=5s

-- migrate:up
-- Before any lock: an amount that is no whole number of minor units cannot be converted, and is better found
-- now than in the middle of the night.
DO $$
DECLARE
    bad   bigint;
    first text;
BEGIN
    SELECT count(*), min(p.id || ' (' || p.amount || ' ' || c.code || ')') INTO bad, first
    FROM payments AS p
    JOIN prices ON prices.id = p.price_id
    JOIN currencies AS c ON c.code = prices.currency
    WHERE c.minor_units IS NULL OR p.amount <> round(p.amount, c.minor_units);
    IF bad > 0 THEN
        RAISE EXCEPTION '% payments have an amount that is no whole number of minor units, first %', bad, first
            USING ERRCODE = 'data_exception', HINT = 'Settle these with finance before the columns come.';
    END IF;
END
$$;

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

-- The one lock that writers feel is on payments. The foreign key also locks prices, in a mode that lets their
-- own checks pass, and after payments: the order in which writers go.
-- NOT VALID throughout: what stands in the table is looked at later, under locks that let writers pass. That
-- both columns are filled is not yet a rule: such a check, valid or not, would refuse to move the status of a
-- payment that is not converted yet.
ALTER TABLE payments
    ADD COLUMN amount_minor bigint,
    ADD COLUMN currency     text,
    ADD CONSTRAINT payments_amount_minor_positive CHECK (amount_minor > 0) NOT VALID,
    ADD CONSTRAINT payments_price_currency_fkey FOREIGN KEY (price_id, currency)
        REFERENCES prices (id, currency) NOT VALID;
COMMENT ON COLUMN payments.amount_minor IS 'In minor units of the currency: 4990 is 49.90 EUR or 4990 JPY.';
COMMENT ON COLUMN payments.currency IS
    'The currency of the price, repeated here so that an amount can be read by itself.';

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

-- On insert only: amounts never change afterwards, so an update has nothing to keep in step. A payment that
-- is not yet converted stays so while its status moves, and the backfill finds it whenever it comes by.
CREATE TRIGGER payments_amount_forms BEFORE INSERT ON payments
    FOR EACH ROW EXECUTE FUNCTION payments_amount_forms();

-- As before, and lets through exactly the conversion of a row and its way back. amount itself still never
-- moves, so nothing is lost either way. That the currency is the price's is the foreign key's business.
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

-- migrate:down
-- amount held every amount all along, and the price its currency: nothing is lost.
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
    IF NEW.provider_reference IS DISTINCT FROM OLD.provider_reference AND OLD.provider_reference IS NOT NULL
        OR NEW.captured_at IS DISTINCT FROM OLD.captured_at AND OLD.captured_at IS NOT NULL THEN
        RAISE EXCEPTION 'the provider''s answer to payment % is already on record', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION payments_immutable() IS 'Lets a payment move on and nothing else.';

DROP TRIGGER payments_amount_forms ON payments;
DROP FUNCTION payments_amount_forms();
ALTER TABLE payments
    DROP CONSTRAINT payments_price_currency_fkey,
    DROP COLUMN currency,
    DROP COLUMN amount_minor;
DROP FUNCTION amount_from_minor(bigint, text);
DROP FUNCTION minor_from_amount(numeric, text);
