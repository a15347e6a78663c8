# A tutor's day was one item with a list of hours. Two students who booked different hours of a day fought over it, and
# no index can look into a list. Now every hour is an item; the item of the day goes in the same transaction.
# seedbed: phase=migrate table=availability
# seedbed: irreversible because "the hours of a day are booked one by one now: no function of one of them makes the day"
# seedbed: repeatable because "an hour has no `slots`"
"""availability: one item a day -> one item an hour."""


def up(item: dict) -> dict | list[dict]:
    if "slots" not in item:
        return item
    day = item["starts_at"]  # the sort key of a day was its date alone
    return [hour(item["tutor_id"], day, slot) for slot in item["slots"]]


def hour(tutor_id: str, day: str, slot: dict) -> dict:
    """Return the item of one hour; a slot reads {"at": "09:00", "minutes": 50, "student_id": …}, times of UTC."""
    found = {
        "tutor_id": tutor_id,
        "starts_at": f"{day}T{slot['at']}:00Z",
        "minutes": slot["minutes"],
    }
    if "student_id" in slot:
        return found | {"state": "booked", "student_id": slot["student_id"]}
    return found | {"state": "free", "free_on": day}
