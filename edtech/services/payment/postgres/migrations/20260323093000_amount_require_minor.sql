-- From here on every payment has amount_minor and currency (story 3). Each check is added in a moment and
-- validated under a lock that lets writers pass, so that the contract can set NOT NULL without reading the
-- table. The names end in _present, not in _not_null: from PostgreSQL 18 on, NOT NULL is itself a constraint
-- of that name.
-- seedbed: phase=migrate
-- seedbed: lock_timeout=5s
-- seedbed: repeatable because "a check that is there is dropped before it is added, and validating twice does no harm"

-- migrate:up transaction:false
ALTER TABLE payments DROP CONSTRAINT IF EXISTS payments_amount_minor_present;
ALTER TABLE payments ADD CONSTRAINT payments_amount_minor_present CHECK (amount_minor IS NOT NULL) NOT VALID;
ALTER TABLE payments DROP CONSTRAINT IF EXISTS payments_currency_present;
ALTER TABLE payments ADD CONSTRAINT payments_currency_present CHECK (currency IS NOT NULL) NOT VALID;
ALTER TABLE payments VALIDATE CONSTRAINT payments_amount_minor_present;
ALTER TABLE payments VALIDATE CONSTRAINT payments_currency_present;
ALTER TABLE payments VALIDATE CONSTRAINT payments_amount_minor_positive;
ALTER TABLE payments VALIDATE CONSTRAINT payments_price_currency_fkey;

-- migrate:down transaction:false
ALTER TABLE payments DROP CONSTRAINT IF EXISTS payments_currency_present;
ALTER TABLE payments DROP CONSTRAINT IF EXISTS payments_amount_minor_present;
-- Back to not valid, as the expand left them. A constraint cannot be made so; it has to be made again.
ALTER TABLE payments DROP CONSTRAINT IF EXISTS payments_amount_minor_positive;
ALTER TABLE payments ADD CONSTRAINT payments_amount_minor_positive CHECK (amount_minor > 0) NOT VALID;
ALTER TABLE payments DROP CONSTRAINT IF EXISTS payments_price_currency_fkey;
ALTER TABLE payments
    ADD CONSTRAINT payments_price_currency_fkey FOREIGN KEY (price_id, currency)
        REFERENCES prices (id, currency) NOT VALID;
