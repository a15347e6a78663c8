"""A platform of two services with a table each, for the sandbox."""

from __future__ import annotations

from pathlib import Path

MANIFEST = """
[platform]
name = "shop"
[services.cart.dynamodb]
[services.courses.dynamodb]
"""
TABLES = """\
[tables.courses]
key = {partition = "pk", sort = "sk"}
attributes = {pk = "S", sk = "S", teacher = "S"}

[tables.courses.indexes.by_teacher]
partition = "teacher"
"""


def write_sandbox_shop(root: Path) -> None:
    """Write the platform into `root`."""
    (root / "seedbed.toml").write_text(MANIFEST)
    for service, tables in (("cart", TABLES.replace("courses", "carts")), ("courses", TABLES)):
        home = root / "services" / service / "dynamodb"
        home.mkdir(parents=True)
        (home / "tables.toml").write_text(tables)
