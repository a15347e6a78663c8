# The candidates that a connection tried are addresses of people's homes. They were kept for looking into failed calls;
# that is what the provider's console is for, which forgets them after a week.
# seedbed: phase=contract table=participants
# seedbed: irreversible because "the addresses are gone, and are meant to be"
# seedbed: repeatable because "there is nothing to remove from an item that has lost them"
"""Remove participants.ice_candidates."""


def up(item: dict) -> dict:
    item.pop("ice_candidates", None)
    return item
