# How good a call was, as the participant's program says: 0 to 4 became 1 to 5, the provider's new scale. A 3 looks the
# same in both, so no item tells which scale it is on: each has to be changed exactly once. The job that writes
# quality, the only one, is paused from here until the release is out.
# seedbed: phase=migrate table=participants
"""participants.quality: 0 to 4 -> 1 to 5."""


def up(item: dict) -> dict:
    if "quality" in item:
        item["quality"] += 1
    return item


def down(item: dict) -> dict:
    if "quality" in item:
        item["quality"] -= 1
    return item
