# The inbox was sorted by the application, after it had read every conversation of a person. The index by_inbox does it
# now: inbox_at is the time of the last message, and an archived conversation has none, hence is not in the index.
# Archived ones keep touched_at, which becomes inbox_at again when somebody takes them back.
# seedbed: phase=migrate table=memberships needs=memberships.by_inbox
# seedbed: repeatable because "an item of the new form has no `archived`"
"""memberships.archived and touched_at -> inbox_at, there or not."""


def up(item: dict) -> dict:
    if "archived" in item and not item.pop("archived"):
        item["inbox_at"] = item.pop("touched_at")
    return item


def down(item: dict) -> dict:
    if "archived" not in item:
        item["archived"] = "inbox_at" not in item
        if not item["archived"]:
            item["touched_at"] = item.pop("inbox_at")
    return item
