"""An account and region on a server of the sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from seedbed.aws.cloud import Cloud
from seedbed.model.secret import Secret

if TYPE_CHECKING:
    from seedbed.engines.dynamodb.sandbox.lending import KeptTables
    from seedbed.model.target import Target

REGION = "eu-central-1"
ACCOUNT = "000000000000"
TESTS = 700_000_000_000  # the account of the first slot of tests
ANY_KEY = "none-is-needed"  # no word of anybody's: it is masked wherever it stands


class World(Struct, frozen=True):
    """What a running server offers: one URL, and credentials that lead into one account.

    Servers of the sandbox check no signature. The access key is what tells worlds apart: of ministack the account
    (12 digits), of DynamoDB Local, together with the region, all tables. `tells_account`: whether somebody there
    answers whose credentials these are.
    """

    endpoint: str
    directory: Path
    pid: int
    account: str = ACCOUNT
    region: str = REGION
    tells_account: bool = True

    def settings(self, database: str) -> Mapping[str, str]:
        """Return the settings that `address` wants; all databases live in one account, as in any environment."""
        return {
            "region": self.region,
            "caller_region": self.region,
            **({"account": self.account} if self.tells_account else {}),
            "endpoint": self.endpoint,
            "access_key": self.account,
            "secret_key": ANY_KEY,
        }

    def apart(self, slot: int) -> World:
        """Return the same server with an account of its own for the tests of `slot`."""
        return replace(self, account=str(TESTS + slot))

    def keep(self, target: Target) -> KeptTables:
        """Return the items that the tables of `target` hold now."""
        from seedbed.engines.dynamodb.sandbox.lending import KeptTables

        return KeptTables(target, self.settings(target.id))

    @property
    def cloud(self) -> Cloud:
        """The same for those who speak to it without an environment."""
        return Cloud(
            region=self.region,
            account=self.account if self.tells_account else "",
            endpoint=self.endpoint,
            access_key=self.account,
            secret_key=Secret(ANY_KEY),
        )
