# Every conversation was with the one assistant there was.
# seedbed: phase=migrate table=conversations needs=conversations.by_assistant
# seedbed: repeatable because "a conversation with study-helper is left alone"
"""conversations.assistant_id: helper -> study-helper."""


def up(item: dict) -> dict:
    if item["assistant_id"] == "helper":
        item["assistant_id"] = "study-helper"
    return item


def down(item: dict) -> dict:
    if item["assistant_id"] == "study-helper":
        item["assistant_id"] = "helper"
    return item
