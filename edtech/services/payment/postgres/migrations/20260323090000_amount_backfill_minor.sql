-- Convert the payments from before the trigger (story 3), while writers go on. A row whose status moves
-- meanwhile is waited for and looked at again in its new form; a row that got its amount_minor otherwise is
-- left alone. The immutability trigger checks every conversion a second time.
-- updated_at stays: finance exports by it, and no payment has moved.
-- The way back empties all payments, also those that were written in the new form: amount still holds what
-- they say.
-- seedbed: phase=migrate
-- seedbed: backfill=payments.id batch=2000
-- seedbed: lock_timeout=5s

-- migrate:up
UPDATE payments
SET amount_minor = minor_from_amount(payments.amount, prices.currency),
    currency = prices.currency
FROM prices
WHERE payments.id BETWEEN $1 AND $2
  AND payments.amount_minor IS NULL
  AND prices.id = payments.price_id;

-- migrate:down
UPDATE payments
SET amount_minor = NULL,
    currency = NULL
WHERE id BETWEEN $1 AND $2
  AND amount_minor IS NOT NULL;
