-- Payments, with what makes paying safe to retry (idempotency keys) and safe to announce (an outbox, written
-- in the same transaction as the payment). What was agreed is fixed for ever; only how far a payment got may
-- change.
-- seedbed: phase=expand
-- seedbed: lock_timeout=5s

-- migrate:up
CREATE TYPE payment_status AS ENUM
    ('pending', 'authorised', 'captured', 'failed', 'cancelled', 'partially_refunded', 'refunded', 'disputed');
COMMENT ON TYPE payment_status IS
    'How far a payment got. Disputed: the payer''s bank has asked for the money back.';

CREATE TABLE payments (
    id                 uuid           NOT NULL DEFAULT gen_random_uuid(),
    customer_id        uuid           NOT NULL,
    price_id           uuid           NOT NULL,
    amount             numeric(16, 4) NOT NULL,
    status             payment_status NOT NULL DEFAULT 'pending',
    provider           text           NOT NULL,
    provider_reference text,
    created_at         timestamptz    NOT NULL DEFAULT now(),
    captured_at        timestamptz,
    updated_at         timestamptz    NOT NULL DEFAULT now(),
    CONSTRAINT payments_pkey PRIMARY KEY (id),
    CONSTRAINT payments_provider_reference_key UNIQUE (provider, provider_reference),
    CONSTRAINT payments_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES customers (id),
    CONSTRAINT payments_price_id_fkey FOREIGN KEY (price_id) REFERENCES prices (id),
    CONSTRAINT payments_amount_positive CHECK (amount > 0),
    CONSTRAINT payments_captured_at_late CHECK (captured_at >= created_at)
);
COMMENT ON TABLE payments IS
    'One row per attempt to pay. What was agreed never changes; rows are never deleted.';
COMMENT ON COLUMN payments.amount IS
    'In the currency of the price, e.g. 49.90; may be below the price when a voucher was used.';

CREATE INDEX payments_customer_id_idx ON payments (customer_id, created_at DESC);
CREATE INDEX payments_price_id_idx ON payments (price_id);
CREATE INDEX payments_unsettled_idx ON payments (created_at) WHERE status IN ('pending', 'authorised');

CREATE FUNCTION payments_immutable() RETURNS trigger
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

CREATE TRIGGER payments_immutable BEFORE UPDATE OR DELETE ON payments
    FOR EACH ROW EXECUTE FUNCTION payments_immutable();

-- Only when the payment moved: finance exports whatever has a new updated_at, and a schema change is no news
-- to them.
CREATE TRIGGER payments_updated_at BEFORE UPDATE ON payments
    FOR EACH ROW
    WHEN ((OLD.status, OLD.provider_reference, OLD.captured_at)
          IS DISTINCT FROM (NEW.status, NEW.provider_reference, NEW.captured_at))
    EXECUTE FUNCTION set_updated_at();

CREATE TABLE idempotency_keys (
    scope        text        NOT NULL,
    key          text        NOT NULL,
    request_hash bytea       NOT NULL,
    response     jsonb,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL DEFAULT now() + interval '24 hours',
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (scope, key),
    CONSTRAINT idempotency_keys_request_hash_sha256 CHECK (octet_length(request_hash) = 32)
);
COMMENT ON TABLE idempotency_keys IS
    'Requests already seen, so that a retry gets the first answer and pays once.';
COMMENT ON COLUMN idempotency_keys.request_hash IS
    'A key that comes back with another request is a bug of the caller, not a retry.';
COMMENT ON COLUMN idempotency_keys.response IS 'Empty while the first request is still being worked on.';
CREATE INDEX idempotency_keys_expires_at_idx ON idempotency_keys (expires_at);

CREATE TABLE outbox (
    position     bigint      GENERATED ALWAYS AS IDENTITY,
    event_id     uuid        NOT NULL,
    topic        text        NOT NULL,
    aggregate_id uuid        NOT NULL,
    payload      jsonb       NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz,
    CONSTRAINT outbox_pkey PRIMARY KEY (position),
    CONSTRAINT outbox_event_id_key UNIQUE (event_id)
);
COMMENT ON TABLE outbox IS 'Events to publish, written with the change they tell of.';
-- An identity is drawn before the commit: a reader that remembers "everything up to 41" misses a 40 that
-- commits later.
COMMENT ON COLUMN outbox.position IS
    'Order of arrival, with gaps. Publish by published_at IS NULL, never by a remembered position.';
CREATE INDEX outbox_unpublished_idx ON outbox (position) WHERE published_at IS NULL;

-- migrate:down
DROP TABLE outbox;
DROP TABLE idempotency_keys;
DROP TABLE payments;
DROP FUNCTION payments_immutable();
DROP TYPE payment_status;
