# Requests that wait were found by a scan each minute. The index by_queue holds them and nothing else: open_subject is
# the subject for as long as nobody has answered.
# seedbed: phase=migrate table=match_requests needs=match_requests.by_queue
# seedbed: repeatable because "a request that is in the queue stays where it is"
"""Fill match_requests.open_subject of what waits."""


def up(item: dict) -> dict:
    if item["state"] == "open" and "open_subject" not in item:
        item["open_subject"] = item["subject"]
    return item


def down(item: dict) -> dict:
    item.pop("open_subject", None)
    return item
