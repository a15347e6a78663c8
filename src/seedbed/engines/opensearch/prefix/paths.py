"""What a policy lets below one prefix: the paths of the requests that may leave, as IAM judges them. Pure."""

from __future__ import annotations

from functools import cache

from seedbed.engines.opensearch.prefix.routes import ROUTES, is_name


def own_paths(prefix: str) -> tuple[str, ...]:
    """Return patterns, without the first `/`, for all paths of `ROUTES` that name something below `prefix`.

    `*` is anything, a `/` as well. A list that begins with one's own and goes on with another's name fits, too.
    """
    return f"{prefix}*", f"_*/{prefix}*"


@cache
def common_paths() -> tuple[str, ...]:
    """Return patterns for those that name nothing, or say in their body what they are about: no path judges that."""
    found = {
        "/".join("*" if each.startswith("{") else each for each in route.path)
        for route in ROUTES
        if not any(is_name(each) for each in route.path)
    }
    return tuple(sorted(found))
