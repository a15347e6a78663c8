-- What a course costs, in which currency, from when to when. A price never changes: a new one begins where
-- the old one is made to end. That no two prices of a course hold at the same moment is the database's job,
-- because two admins in two browsers are all it takes.
-- seedbed: phase=expand

-- migrate:up
-- Equality of uuid and text inside a GiST index comes from this extension (trusted: no superuser needed).
CREATE EXTENSION IF NOT EXISTS btree_gist;

CREATE TABLE prices (
    id           uuid        NOT NULL DEFAULT gen_random_uuid(),
    course_id    uuid        NOT NULL,
    currency     text        NOT NULL,
    amount_minor bigint      NOT NULL,
    valid        tstzrange   NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT prices_pkey PRIMARY KEY (id),
    CONSTRAINT prices_currency_fkey FOREIGN KEY (currency) REFERENCES currencies (code),
    CONSTRAINT prices_amount_minor_positive CHECK (amount_minor > 0),
    -- [from, to) and nothing else: two ranges that both include an instant would overlap in it.
    CONSTRAINT prices_valid_half_open
        CHECK (NOT isempty(valid) AND lower_inc(valid) AND NOT upper_inc(valid)),
    CONSTRAINT prices_no_overlap EXCLUDE USING gist (course_id WITH =, currency WITH =, valid WITH &&)
);
COMMENT ON TABLE prices IS
    'Price of a course in a currency during a period; periods of one course and currency never overlap.';
COMMENT ON COLUMN prices.course_id IS 'courses service: courses.id.';
COMMENT ON COLUMN prices.valid IS 'Half open, [from, to); an open end is a price that still holds.';

CREATE FUNCTION prices_immutable() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'price % cannot be deleted: payments were made at it', OLD.id
            USING ERRCODE = 'restrict_violation', HINT = 'End its period instead.';
    END IF;
    IF (NEW.id, NEW.course_id, NEW.currency, NEW.amount_minor, lower(NEW.valid))
        IS DISTINCT FROM (OLD.id, OLD.course_id, OLD.currency, OLD.amount_minor, lower(OLD.valid)) THEN
        RAISE EXCEPTION 'price % cannot be changed, only ended', OLD.id
            USING ERRCODE = 'restrict_violation', HINT = 'End its period and insert the new price.';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION prices_immutable() IS 'Lets a price end and nothing else.';

CREATE TRIGGER prices_immutable BEFORE UPDATE OR DELETE ON prices
    FOR EACH ROW EXECUTE FUNCTION prices_immutable();

-- migrate:down
DROP TABLE prices;
DROP FUNCTION prices_immutable();
-- Refuses if something else has come to rest on the extension, which is right.
DROP EXTENSION btree_gist;
