-- payments.amount means nothing without a look at the price for its currency, and decimals invite arithmetic
-- in floats. It becomes amount_minor and currency (story 3, in five files: index, add, backfill, require,
-- drop). First the index that a foreign key from (price_id, currency) will point at.
-- A file of its own, because a unique constraint on prices inside the next one deadlocks with writers: they
-- hold payments and ask for prices, it would hold prices and ask for payments. Built concurrently, it is in
-- nobody's way, and a foreign key is content with an index.
-- seedbed: phase=expand
-- seedbed: repeatable because "an index that a failed build left half done is dropped before the next try"

-- migrate:up transaction:false
DROP INDEX CONCURRENTLY IF EXISTS prices_id_currency_key;
CREATE UNIQUE INDEX CONCURRENTLY prices_id_currency_key ON prices (id, currency);
COMMENT ON INDEX prices_id_currency_key IS
    'What payments (price_id, currency) refers to: a payment is in the currency of its price.';

-- migrate:down transaction:false
DROP INDEX CONCURRENTLY IF EXISTS prices_id_currency_key;
