-- Invoices. Once issued, an invoice is a document: its lines add up to the total printed on it, and neither
-- moves. The sum is checked at commit, so that an invoice and its lines may be written in any order.
-- seedbed: phase=expand
-- seedbed: lock_timeout=5s

-- migrate:up
CREATE TYPE invoice_status AS ENUM ('draft', 'issued', 'void');
COMMENT ON TYPE invoice_status IS 'A void invoice stays: numbers must have no gaps.';

CREATE TABLE invoices (
    id          uuid           NOT NULL,
    number      text,
    customer_id uuid           NOT NULL,
    payment_id  uuid,
    status      invoice_status NOT NULL DEFAULT 'draft',
    currency    text           NOT NULL,
    total_minor bigint         NOT NULL DEFAULT 0,
    issued_at   timestamptz,
    created_at  timestamptz    NOT NULL DEFAULT now(),
    CONSTRAINT invoices_pkey PRIMARY KEY (id),
    CONSTRAINT invoices_number_key UNIQUE (number),
    CONSTRAINT invoices_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES customers (id),
    CONSTRAINT invoices_payment_id_fkey FOREIGN KEY (payment_id) REFERENCES payments (id),
    CONSTRAINT invoices_currency_fkey FOREIGN KEY (currency) REFERENCES currencies (code),
    CONSTRAINT invoices_issued_is_numbered
        CHECK ((status = 'draft') = (number IS NULL) AND (number IS NULL) = (issued_at IS NULL))
);
COMMENT ON TABLE invoices IS 'Documents sent to customers. total_minor is what was printed, net of nothing.';
CREATE INDEX invoices_customer_id_idx ON invoices (customer_id, issued_at DESC);
CREATE INDEX invoices_payment_id_idx ON invoices (payment_id);

CREATE TABLE invoice_lines (
    invoice_id      uuid     NOT NULL,
    line_no         smallint NOT NULL,
    description     text     NOT NULL,
    quantity        integer  NOT NULL,
    unit_minor      bigint   NOT NULL,
    tax_basis_points integer NOT NULL DEFAULT 0,
    total_minor     bigint   GENERATED ALWAYS AS (quantity * unit_minor) STORED,
    CONSTRAINT invoice_lines_pkey PRIMARY KEY (invoice_id, line_no),
    CONSTRAINT invoice_lines_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES invoices (id) ON DELETE CASCADE,
    CONSTRAINT invoice_lines_line_no_positive CHECK (line_no > 0),
    CONSTRAINT invoice_lines_quantity_positive CHECK (quantity > 0),
    CONSTRAINT invoice_lines_tax_sane CHECK (tax_basis_points BETWEEN 0 AND 5000)
);
COMMENT ON TABLE invoice_lines IS
    'What an invoice charges for. Prices include tax; a discount is a line with a negative unit.';
COMMENT ON COLUMN invoice_lines.tax_basis_points IS 'Rate of the tax included: 1900 is 19 percent.';

CREATE FUNCTION invoices_immutable() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status = 'draft' THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    IF TG_OP = 'DELETE' OR NEW.status = 'draft'
        OR (NEW.id, NEW.number, NEW.customer_id, NEW.payment_id,
            NEW.currency, NEW.total_minor, NEW.issued_at, NEW.created_at)
           IS DISTINCT FROM
           (OLD.id, OLD.number, OLD.customer_id, OLD.payment_id,
            OLD.currency, OLD.total_minor, OLD.issued_at, OLD.created_at) THEN
        RAISE EXCEPTION 'invoice % is issued and cannot be changed', OLD.number
            USING ERRCODE = 'restrict_violation', HINT = 'Void it and issue another.';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION invoices_immutable() IS 'An issued invoice can be voided and nothing else.';
CREATE TRIGGER invoices_immutable BEFORE UPDATE OR DELETE ON invoices
    FOR EACH ROW EXECUTE FUNCTION invoices_immutable();

CREATE FUNCTION invoices_check_total() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    wanted  uuid[];
    invoice invoices;
    total   numeric;
BEGIN
    -- IF, not CASE: plpgsql would look for the fields of both tables in one expression.
    IF TG_TABLE_NAME = 'invoices' THEN
        wanted := ARRAY[NEW.id];
    ELSIF TG_OP = 'DELETE' THEN
        wanted := ARRAY[OLD.invoice_id];
    ELSIF TG_OP = 'INSERT' THEN
        wanted := ARRAY[NEW.invoice_id];
    ELSE
        wanted := ARRAY[OLD.invoice_id, NEW.invoice_id];
    END IF;
    FOR invoice IN SELECT * FROM invoices WHERE id = ANY (wanted) AND status <> 'draft' LOOP
        SELECT coalesce(sum(total_minor), 0) INTO total FROM invoice_lines WHERE invoice_id = invoice.id;
        IF total <> invoice.total_minor THEN
            RAISE EXCEPTION 'invoice % says %, its lines add up to %', invoice.number, invoice.total_minor, total
                USING ERRCODE = 'check_violation';
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION invoices_check_total() IS
    'At commit: the lines of an issued invoice add up to its total.';

CREATE CONSTRAINT TRIGGER invoices_total AFTER INSERT OR UPDATE ON invoices
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION invoices_check_total();
CREATE CONSTRAINT TRIGGER invoice_lines_total AFTER INSERT OR UPDATE OR DELETE ON invoice_lines
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION invoices_check_total();

-- migrate:down
DROP TABLE invoice_lines;
DROP TABLE invoices;
DROP FUNCTION invoices_check_total();
DROP FUNCTION invoices_immutable();
DROP TYPE invoice_status;
