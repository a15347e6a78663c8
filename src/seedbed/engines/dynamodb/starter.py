"""The files of a first database: a table, a migration of its items with its down, and items that fit."""

from __future__ import annotations

from collections.abc import Mapping

FILES: Mapping[str, str] = {
    "tables.toml": """\
# What is sold: one product by its article number.
[tables.products]
key = {partition = "sku"}

[tables.products.attributes]
sku = "S"
name = "S"
search_name = "S"
price_cents = "N"
""",
    "migrations/{version}_fill_search_name.py": """\
# A product is found by its name in lower case. The code writes it since today; older items have none.
# seedbed: phase=migrate table=products
# seedbed: repeatable because "the same name gives the same search_name"
\"\"\"products.search_name, from products.name.\"\"\"


def up(item: dict) -> dict:
    item["search_name"] = item["name"].lower()
    return item


def down(item: dict) -> dict:
    item.pop("search_name", None)
    return item
""",
    "seeds/fixture/01_products.json": """\
[
  {"sku": "bench", "name": "Garden bench", "search_name": "garden bench", "price_cents": 12900},
  {"sku": "lamp", "name": "Desk lamp", "search_name": "desk lamp", "price_cents": 3900},
  {"sku": "mug", "name": "Mug", "search_name": "mug", "price_cents": 900}
]
""",
}
