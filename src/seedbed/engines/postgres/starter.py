"""The files of a first database: a table, its down, and rows that fit."""

from __future__ import annotations

from collections.abc import Mapping

FILES: Mapping[str, str] = {
    "migrations/{version}_create_products.sql": """\
-- What is sold, and what it costs.
-- migrate:up
CREATE TABLE products (
    sku text PRIMARY KEY,
    name text NOT NULL,
    price_cents integer NOT NULL CHECK (price_cents >= 0),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- migrate:down
DROP TABLE products;
""",
    "seeds/fixture/01_products.csv": """\
sku,name,price_cents
bench,Garden bench,12900
lamp,Desk lamp,3900
mug,Mug,900
""",
}
