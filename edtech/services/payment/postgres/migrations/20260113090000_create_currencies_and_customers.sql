-- Who pays, where they live for tax purposes and which currencies exist. Currencies and countries are
-- reference data (seeds/reference) and follow ISO 4217 and ISO 3166-1. A customer is a user of the user
-- service who has paid or tried to; that service has to have its users table first, or nobody could check the
-- id.
-- seedbed: phase=expand
-- seedbed: after=user/postgres:20260112093000

-- migrate:up
CREATE TABLE currencies (
    code         text     NOT NULL,
    numeric_code text     NOT NULL,
    name         text     NOT NULL,
    minor_units  smallint,
    CONSTRAINT currencies_pkey PRIMARY KEY (code),
    CONSTRAINT currencies_numeric_code_key UNIQUE (numeric_code),
    CONSTRAINT currencies_code_iso CHECK (code ~ '^[A-Z]{3}$'),
    CONSTRAINT currencies_numeric_code_iso CHECK (numeric_code ~ '^[0-9]{3}$'),
    CONSTRAINT currencies_minor_units_few CHECK (minor_units BETWEEN 0 AND 4)
);
COMMENT ON TABLE currencies IS 'Reference data: ISO 4217.';
COMMENT ON COLUMN currencies.minor_units IS
    'Decimal places of the smallest unit: 2 for EUR, 0 for JPY, 3 for BHD. Empty: nobody pays with it (gold).';

CREATE TABLE countries (
    code         text NOT NULL,
    alpha3       text NOT NULL,
    numeric_code text NOT NULL,
    name         text NOT NULL,
    CONSTRAINT countries_pkey PRIMARY KEY (code),
    CONSTRAINT countries_alpha3_key UNIQUE (alpha3),
    CONSTRAINT countries_numeric_code_key UNIQUE (numeric_code),
    CONSTRAINT countries_code_iso CHECK (code ~ '^[A-Z]{2}$'),
    CONSTRAINT countries_alpha3_iso CHECK (alpha3 ~ '^[A-Z]{3}$'),
    CONSTRAINT countries_numeric_code_iso CHECK (numeric_code ~ '^[0-9]{3}$')
);
COMMENT ON TABLE countries IS 'Reference data: ISO 3166-1. Decides which tax an invoice shows.';

-- One function for every table with an updated_at; which changes count is said by each trigger.
CREATE FUNCTION set_updated_at() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION set_updated_at() IS 'Stamps updated_at.';

CREATE TABLE customers (
    id           uuid        NOT NULL DEFAULT gen_random_uuid(),
    user_id      uuid        NOT NULL,
    billing_name text        NOT NULL,
    country_code text        NOT NULL,
    tax_number   text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT customers_pkey PRIMARY KEY (id),
    CONSTRAINT customers_user_id_key UNIQUE (user_id),
    CONSTRAINT customers_country_code_fkey FOREIGN KEY (country_code) REFERENCES countries (code),
    CONSTRAINT customers_billing_name_not_blank CHECK (btrim(billing_name) <> '')
);
COMMENT ON TABLE customers IS
    'Users who pay. Kept for ten years after the last payment, whatever becomes of the account.';
COMMENT ON COLUMN customers.user_id IS
    'user service: users.id. No database can check it.';

CREATE INDEX customers_country_code_idx ON customers (country_code);

CREATE TRIGGER customers_updated_at BEFORE UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION set_updated_at();

-- migrate:down
DROP TABLE customers;
DROP FUNCTION set_updated_at();
DROP TABLE countries;
DROP TABLE currencies;
