# There was one assistant, "helper". A second one came, for essays, and the first is called what it is: study-helper.
# An id is a key, and a key does not change: the item is written anew and the old one removed, together with the record
# of this migration. On a table that never had it there is nothing to do; the reference data brings the new one.
# seedbed: phase=migrate table=assistants
"""assistants: helper -> study-helper."""

OLD, NEW = "helper", "study-helper"


def up(table) -> None:
    rename(table, OLD, NEW)


def down(table) -> None:
    rename(table, NEW, OLD)


def rename(table, old: str, new: str) -> None:
    found = table.get({"assistant_id": old})
    if found is not None:
        table.put({**found, "assistant_id": new})
        table.delete({"assistant_id": old})
