-- The books: double entry, in minor units. Entries of one transaction add up to zero in every currency, which
-- is checked at commit because a transaction is unbalanced until its last entry is in. Entries are never
-- changed; a mistake is corrected by its reverse.
-- seedbed: phase=expand
-- seedbed: lock_timeout=5s

-- migrate:up
CREATE TYPE account_kind AS ENUM ('asset', 'liability', 'equity', 'revenue', 'expense');
COMMENT ON TYPE account_kind IS 'The five kinds of account.';

CREATE TABLE ledger_accounts (
    code        text         NOT NULL,
    name        text         NOT NULL,
    kind        account_kind NOT NULL,
    description text         NOT NULL,
    CONSTRAINT ledger_accounts_pkey PRIMARY KEY (code),
    CONSTRAINT ledger_accounts_name_key UNIQUE (name),
    CONSTRAINT ledger_accounts_code_digits CHECK (code ~ '^[1-5][0-9]{3}$')
);
COMMENT ON TABLE ledger_accounts IS
    'Reference data: the chart of accounts. The first digit is the kind, 1 asset to 5 expense.';

CREATE TABLE ledger_entries (
    id             bigint      GENERATED ALWAYS AS IDENTITY,
    transaction_id uuid        NOT NULL,
    line_no        smallint    NOT NULL,
    account_code   text        NOT NULL,
    currency       text        NOT NULL,
    amount_minor   bigint      NOT NULL,
    payment_id     uuid,
    memo           text,
    booked_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT ledger_entries_pkey PRIMARY KEY (id),
    CONSTRAINT ledger_entries_transaction_line_key UNIQUE (transaction_id, line_no),
    CONSTRAINT ledger_entries_account_code_fkey FOREIGN KEY (account_code) REFERENCES ledger_accounts (code),
    CONSTRAINT ledger_entries_currency_fkey FOREIGN KEY (currency) REFERENCES currencies (code),
    CONSTRAINT ledger_entries_payment_id_fkey FOREIGN KEY (payment_id) REFERENCES payments (id),
    CONSTRAINT ledger_entries_amount_minor_moves CHECK (amount_minor <> 0),
    CONSTRAINT ledger_entries_line_no_positive CHECK (line_no > 0)
);
COMMENT ON TABLE ledger_entries IS
    'Append-only. Debits are positive, credits negative; each transaction adds up to zero per currency.';
COMMENT ON COLUMN ledger_entries.transaction_id IS
    'Made by the application; entries with the same id are one booking.';
CREATE INDEX ledger_entries_account_idx ON ledger_entries (account_code, currency, booked_at);
CREATE INDEX ledger_entries_payment_id_idx ON ledger_entries (payment_id) WHERE payment_id IS NOT NULL;

-- TRUNCATE passes below row triggers: it is for roles that own the table, which the application's is not.
CREATE FUNCTION ledger_entries_immutable() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'ledger entry % of transaction % cannot be changed (%)', OLD.line_no, OLD.transaction_id, TG_OP
        USING ERRCODE = 'restrict_violation', HINT = 'Book the reverse.';
END
$$;
COMMENT ON FUNCTION ledger_entries_immutable() IS 'Keeps the books append-only.';
CREATE TRIGGER ledger_entries_immutable BEFORE UPDATE OR DELETE ON ledger_entries
    FOR EACH ROW EXECUTE FUNCTION ledger_entries_immutable();

-- Two sessions that add to one transaction at once each see only their own entries. Each then has to balance
-- alone, and two balanced halves are a balanced whole.
CREATE FUNCTION ledger_entries_balance() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    tilt record;
BEGIN
    SELECT currency, sum(amount_minor) AS off INTO tilt
    FROM ledger_entries
    WHERE transaction_id = NEW.transaction_id
    GROUP BY currency
    HAVING sum(amount_minor) <> 0
    ORDER BY currency
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger transaction % does not balance: % is off by %',
            NEW.transaction_id, tilt.currency, tilt.off
            USING ERRCODE = 'check_violation',
                  HINT = 'Entries of one transaction must add up to zero in each currency when it commits.';
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION ledger_entries_balance() IS
    'At commit: every touched transaction adds up to zero in each currency.';
CREATE CONSTRAINT TRIGGER ledger_entries_balance AFTER INSERT ON ledger_entries
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_entries_balance();

-- migrate:down
DROP TABLE ledger_entries;
DROP FUNCTION ledger_entries_balance();
DROP FUNCTION ledger_entries_immutable();
DROP TABLE ledger_accounts;
DROP TYPE account_kind;
