# seedbed: table=messages
"""Messages in the rooms of 01_conversations.py: a few rooms hold most of them, and people talk in bursts.

The same ones at every load: the numbers come from a generator with a fixed seed, and no clock is asked.
"""

from datetime import UTC, datetime, timedelta
from random import Random

CONVERSATIONS = 200
LONGEST = 1000  # messages in the liveliest room; the n-th liveliest has an n-th of it, two at least
FIRST = datetime(2026, 1, 15, 8, tzinfo=UTC)
CAST = ("ana", "bruno", "chiara", "emi", "farid", "greta")
WORDS = ("what", "if", "we", "begin", "at", "the", "end", "and", "then", "ask", "who", "wants", "the", "mule")
KEPT = timedelta(days=3650)


def rows():
    random = Random(20261123)
    for number in range(CONVERSATIONS):
        now = FIRST + timedelta(hours=31 * number)
        talking = random.sample(CAST, 3)
        for count in range(max(LONGEST // (number + 1), 2)):
            pause = random.expovariate(1 / 40) if random.random() < 0.8 else random.expovariate(1 / 40_000)
            now += timedelta(milliseconds=1 + int(1000 * pause))
            yield message(number, count, now, random.choice(talking), random)


def message(conversation: int, count: int, now: datetime, sender: str, random: Random) -> dict:
    return {
        "conversation_id": f"@chat.conversations:volume-{conversation}",
        "message_key": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z#{count:04x}",
        "sender_id": f"@user.users:{sender}",
        "kind": "text",
        "language": "en",
        "body": " ".join(random.choices(WORDS, k=random.randint(2, 40))),
        "expires_at": int((now + KEPT).timestamp()),
    }
