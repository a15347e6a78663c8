"""The files of a first database: an index behind an alias, the migration that makes it, and documents that fit."""

from __future__ import annotations

from collections.abc import Mapping

FILES: Mapping[str, str] = {
    "indexes.toml": """\
# What is searched. Applications use the alias `products`; behind it stands an index with a number.

[[indexes.products.versions]]
number = 1

[indexes.products.versions.settings]
number_of_shards = 1
auto_expand_replicas = "0-1"

[indexes.products.versions.mappings]
dynamic = "strict"

[indexes.products.versions.mappings.properties]
sku = {type = "keyword"}
name = {type = "text", analyzer = "english"}
price_cents = {type = "integer"}
""",
    "migrations/{version}_create_products.py": """\
# seedbed: index=products version=1
\"\"\"What is sold, found by its name.\"\"\"
""",
    "seeds/fixture/01_products.json": """\
{
  "table": "products",
  "key": ["sku"],
  "rows": [
    {"sku": "bench", "name": "Garden bench", "price_cents": 12900},
    {"sku": "lamp", "name": "Desk lamp", "price_cents": 3900},
    {"sku": "mug", "name": "Mug", "price_cents": 900}
  ]
}
""",
}
