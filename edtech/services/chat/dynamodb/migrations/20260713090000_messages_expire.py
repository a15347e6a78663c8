# Messages are kept for two years (story 6). The release before this one switches TTL on and gives every new message
# its end; this gives one to those that are older. Nobody's messages vanish on the day itself: what is due already has
# until autumn, and so have those who want a copy.
# seedbed: phase=migrate table=messages
# seedbed: repeatable because "a message that has an end keeps it"
"""Fill messages.expires_at from the time a message was sent."""

from datetime import UTC, datetime, timedelta

KEPT = timedelta(days=730)
NOT_BEFORE = datetime(2026, 10, 1, tzinfo=UTC)


def end(message_key: str) -> int:
    """Return when the message of this key expires, in seconds since 1970, as TTL wants it."""
    sent = datetime.fromisoformat(message_key.partition("#")[0])
    return int(max(sent + KEPT, NOT_BEFORE).timestamp())


def up(item: dict) -> dict:
    if "expires_at" not in item:
        item["expires_at"] = end(item["message_key"])
    return item


def down(item: dict) -> dict:
    """An end that somebody set by hand stays; so does what a moderator holds back."""
    if item.get("expires_at") == end(item["message_key"]):
        del item["expires_at"]
    return item
