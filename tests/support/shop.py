"""Three services on the reference engine, two of which refer to the third: what `verify` keeps, and who waits for it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from seedbed.model.platform import Reference
from seedbed.project import Project, Run
from seedbed.testing.reference.sandbox import Server

MANIFEST = """
[platform]
name = "sample"
[services.cart.memory]
[services.shop.memory]
[services.user.memory]
[[references]]
from = "shop/memory:orders.user_id"
to = "user/memory:users.id"
grace = "0s"
[[references]]
from = "cart/memory:carts.user_id"
to = "user/memory:users.id"
grace = "0s"
[environments.staging]
account = "222222222222"
[environments.prod]
account = "333333333333"
protected = true
"""
SHOP, CART, USER = "shop/memory", "cart/memory", "user/memory"
FIRST = "20260101000001"
_TABLES = {"cart": "carts", "shop": "orders", "user": "users"}


class Shop:
    """A project of three services with a database each, on one server."""

    def __init__(self, root: Path, server: Server) -> None:
        self.root = root
        self.environ = {
            f"{service.upper()}_MEMORY_{name.upper()}": value
            for service in _TABLES
            for name, value in server.settings(f"{service}/memory").items()
        }
        self.declare(MANIFEST)
        for service, table in _TABLES.items():
            self.migration(service, FIRST, up=f"create {table}", down=f"drop {table}")
        self.rows("user", "id,name\n7,ana\n")
        self.rows("shop", "id,user_id\n1,7\n")
        self.rows("cart", "id,user_id\n1,7\n")

    def declare(self, manifest: str) -> None:
        (self.root / "seedbed.toml").write_text(manifest, encoding="utf-8")

    def migration(
        self,
        service: str,
        version: str,
        phase: str = "expand",
        *,
        after: str = "",
        up: str = "",
        down: str = "",
    ) -> None:
        """Write a migration; without `up`, it makes a table of its own."""
        directives = f"# seedbed: phase={phase}" + (f" after={after}" if after else "")
        sections = (
            f"# migrate:up\n{up or f'create t{version}'}\n# migrate:down\n{down or f'drop t{version}'}\n"
        )
        file = self._directory(service, "migrations") / f"{version}_t.mem"
        file.write_text(f"{directives}\n{sections}", encoding="utf-8")

    def rows(self, service: str, rows: str) -> None:
        """Write the rows of the one table of `service`, which `seed` loads."""
        file = self._directory(service, "seeds/fixture") / f"1_{_TABLES[service]}.csv"
        file.write_text(rows, encoding="utf-8")

    def _directory(self, service: str, name: str) -> Path:
        directory = self.root / "services" / service / "memory" / name
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    @property
    def references(self) -> tuple[Reference, ...]:
        """Out of shop, and out of cart."""
        return Project.open(self.root, environ={}).catalog.references()

    def run(self, environment: str, *, silent: str = "") -> AbstractContextManager[Run]:
        """Open a run on all databases; `silent`: a service whose database does not answer."""
        nowhere = {f"{silent.upper()}_MEMORY_SOCKET": str(self.root / "nowhere")} if silent else {}
        return Project.open(self.root, environ=self.environ | nowhere).run(environment)
