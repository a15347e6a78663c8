-- What tutors are paid, once per period and currency. That no day is paid twice is the database's job: the
-- payout run is a job that somebody will one day start a second time.
-- The contract before it waits for a verify that reads this table, too: a new environment has neither at first.
-- seedbed: phase=expand
-- seedbed: overtake=20260406100000

-- migrate:up
CREATE TYPE payout_status AS ENUM ('scheduled', 'sent', 'paid', 'failed');
COMMENT ON TYPE payout_status IS 'Sent: the bank has the order. Paid: the bank has said so.';

CREATE TABLE payouts (
    id           uuid          NOT NULL DEFAULT gen_random_uuid(),
    tutor_id     uuid          NOT NULL,
    currency     text          NOT NULL,
    amount_minor bigint        NOT NULL,
    period       daterange     NOT NULL,
    status       payout_status NOT NULL DEFAULT 'scheduled',
    created_at   timestamptz   NOT NULL DEFAULT now(),
    paid_at      timestamptz,
    updated_at   timestamptz   NOT NULL DEFAULT now(),
    CONSTRAINT payouts_pkey PRIMARY KEY (id),
    CONSTRAINT payouts_currency_fkey FOREIGN KEY (currency) REFERENCES currencies (code),
    CONSTRAINT payouts_amount_minor_positive CHECK (amount_minor > 0),
    CONSTRAINT payouts_period_closed
        CHECK (NOT isempty(period) AND NOT lower_inf(period) AND NOT upper_inf(period)),
    CONSTRAINT payouts_paid_at_when_paid CHECK ((status = 'paid') = (paid_at IS NOT NULL)),
    -- A failed payout is tried again as a new row, so it must not stand in that row's way.
    CONSTRAINT payouts_no_overlap
        EXCLUDE USING gist (tutor_id WITH =, currency WITH =, period WITH &&) WHERE (status <> 'failed')
);
COMMENT ON TABLE payouts IS
    'Money to tutors. Periods of one tutor and currency do not overlap, failed ones aside.';
COMMENT ON COLUMN payouts.tutor_id IS 'tutor-matching service: tutor_profiles.id.';
CREATE INDEX payouts_open_idx ON payouts (created_at) WHERE status IN ('scheduled', 'sent');

CREATE TRIGGER payouts_updated_at BEFORE UPDATE ON payouts
    FOR EACH ROW EXECUTE FUNCTION set_updated_at();

-- migrate:down
DROP TABLE payouts;
DROP TYPE payout_status;
