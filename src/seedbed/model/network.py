"""The addresses and zones of an environment's network: what may be said of them, and what is wrong where it may not."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError

ADDRESSES = "10.0.0.0/16"  # where nothing is said
LARGEST, SMALLEST = 16, 22  # AWS makes no larger network; a smaller one has no room for what is made in it
_SHARED = IPv4Network("100.64.0.0/10")  # of carriers, and of networks that have run out of the others
_PRIVATE = tuple(IPv4Network(each) for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
_ZONE_NAME = re.compile(r"(?P<region>[a-z]{2,6}(?:-[a-z]+)+-[0-9]{1,2})[a-z]")
_ZONE_ID = re.compile(r"[a-z]{3,6}[0-9]{1,2}-az[0-9]{1,2}")


def wrong_addresses(text: str) -> str:
    """Return why `text` cannot be the addresses of a network, "" where it can: 10.20.0.0/16."""
    try:
        network = IPv4Network(text)
    except (AddressValueError, NetmaskValueError):
        return "expected an IPv4 network such as 10.20.0.0/16"
    except ValueError:  # bits are set behind the prefix
        return f"the network is called {IPv4Network(text, strict=False)}"
    if "/" not in text or not LARGEST <= network.prefixlen <= SMALLEST:
        return f"a network has between /{LARGEST}, which is the largest of AWS, and /{SMALLEST}, which just has room"
    if not any(network.subnet_of(each) for each in (*_PRIVATE, _SHARED)):
        return f"the addresses are the internet's; private ones are in {', '.join(map(str, _PRIVATE))} and {_SHARED}"
    return ""


def subnet_prefix(addresses: str) -> int:
    """Return the prefix of each subnet, so that sixteen of them have room, of a thousand addresses at most."""
    return max(22, IPv4Network(addresses).prefixlen + 4)


def wrong_zones(zones: list[str], region: str = "") -> str:
    """Return why a network cannot be in availability `zones`, "" where it can.

    `region`: theirs, where it is known. An id names the same place in every account, a name does not.
    """
    if not 2 <= len(zones) <= 3:
        return "a network is in two or three zones: a cluster of Aurora takes two at least"
    if len(set(zones)) < len(zones):
        return "one zone is there twice"
    names = [found for each in zones if (found := _ZONE_NAME.fullmatch(each))]
    if 0 < len(names) < len(zones):
        return "names and ids are mixed, which may be the same zone"
    for each in zones:
        if not names and not is_zone_id(each):
            return f"{each[:40]!r} is neither the name of a zone, as eu-central-1a, nor its id, as euc1-az1"
    other = next((each[0] for each in names if region and each["region"] != region), "")
    return f"{other} is not in {region}" if other else ""


def is_zone_id(zone: str) -> bool:
    """Return whether `zone` is an id, as euc1-az1, and not a name, as eu-central-1a."""
    return _ZONE_ID.fullmatch(zone) is not None
