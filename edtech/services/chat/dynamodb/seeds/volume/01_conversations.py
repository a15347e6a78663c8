# seedbed: table=conversations
"""Rooms to fill with messages: as many as 02_messages.py fills, the cast in each of them."""

from datetime import UTC, datetime, timedelta

CONVERSATIONS = 200
FIRST = datetime(2026, 1, 15, 8, tzinfo=UTC)


def rows():
    for number in range(CONVERSATIONS):
        began = (FIRST + timedelta(hours=31 * number)).isoformat().replace("+00:00", "Z")
        yield {
            "conversation_id": f"@chat.conversations:volume-{number}",
            "kind": "group",
            "title": f"Study group {number}",
            "created_by": "@user.users:bruno",
            "created_at": began,
            "state": "open",
        }
