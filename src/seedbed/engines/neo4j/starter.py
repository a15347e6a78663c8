"""The files of a first database: a constraint, its down, and nodes with a relationship that fit."""

from __future__ import annotations

from collections.abc import Mapping

FILES: Mapping[str, str] = {
    "migrations/{version}_create_products.cypher": """\
// What is sold, and what goes with what.
// migrate:up
CREATE CONSTRAINT product_sku FOR (p:Product) REQUIRE p.sku IS UNIQUE;

// migrate:down
DROP CONSTRAINT product_sku;
""",
    "seeds/fixture/01_Product.csv": """\
sku,name,price_cents:int
bench,Garden bench,12900
lamp,Desk lamp,3900
mug,Mug,900
""",
    "seeds/fixture/02_Product-GOES_WITH-Product.csv": """\
from.sku,to.sku
lamp,mug
""",
}
