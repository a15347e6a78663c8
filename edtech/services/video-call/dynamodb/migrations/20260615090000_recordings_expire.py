# A recording is kept for half a year, unless somebody says why it should stay. New ones are written with their end;
# this gives one to those that are older, and everybody thirty days to say so.
# seedbed: phase=migrate table=recordings
# seedbed: repeatable because "a recording that has an end keeps it, and one that is kept gets none"
"""Fill recordings.expires_at from the time of recording."""

from datetime import UTC, datetime, timedelta

KEPT = timedelta(days=183)
NOT_BEFORE = datetime(2026, 7, 15, tzinfo=UTC)


def end(recorded_at: str) -> int:
    """Return when a recording expires, in seconds since 1970, as TTL wants it."""
    return int(max(datetime.fromisoformat(recorded_at) + KEPT, NOT_BEFORE).timestamp())


def up(item: dict) -> dict:
    if "expires_at" not in item and "kept_because" not in item:
        item["expires_at"] = end(item["recorded_at"])
    return item


def down(item: dict) -> dict:
    if item.get("expires_at") == end(item["recorded_at"]):
        del item["expires_at"]
    return item
