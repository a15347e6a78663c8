"""Durations, as the manifest writes them."""

from __future__ import annotations

_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}


def seconds(duration: str) -> float:
    """Return how many seconds `30s`, `2min`, `24h` or `3d` are."""
    number, unit = duration.rstrip("sminhd"), duration.lstrip("0123456789")
    return float(number) * _UNITS[unit]
