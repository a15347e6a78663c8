# A message could have one attachment, a map; now it has a list. Both codes read both.
# seedbed: phase=migrate table=messages
# seedbed: repeatable because "a message that has `attachments` has no `attachment`"
"""messages.attachment -> messages.attachments."""


def up(item: dict) -> dict:
    if "attachment" in item:
        item["attachments"] = [item.pop("attachment")]
    return item


def down(item: dict) -> dict:
    """A message with several keeps its list: the old code shows its text."""
    if len(item.get("attachments", ())) == 1:
        item["attachment"] = item.pop("attachments")[0]
    return item
