"""Commands of a shop as callers with no more rights than their kind has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from seedbed.aws import rights
from seedbed.model.names import stack_tags
from tests.support.aws_proxy import TOKEN_VARIABLE, Policies, Proxy
from tests.support.deployment.releases import Shop


def called_by(kind: str, shop: Shop, aws: Proxy, *, platform: str = "shop", bucket: str = "none") -> Shop:
    """Return `shop` whose commands are called by callers of that kind in the environment that they name.

    `bucket`: of the records. The proxy refuses what the policies of that kind do not allow.
    """
    world, known = shop.world, set[str]()

    def signed(words: Sequence[str]) -> Mapping[str, str]:
        name = words[words.index("-e") + 1] if "-e" in words else words[2]  # env up NAME
        token = f"{kind}-{name}"
        if name not in known:
            known.add(name)
            where = ("aws", world.account, world.region, "records", bucket)
            names = rights.Names(platform, name, *where, ephemeral=name.startswith("dev"))
            tags = stack_tags(platform, name)
            aws.add(Policies(account=world.account, region=world.region, tags=tags)).caller(
                kind, names, token
            )
        return {TOKEN_VARIABLE: token}

    return replace(shop, signed=signed)
