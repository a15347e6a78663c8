# seedbed: index=lessons version=4
"""lessons in Swedish, in place; the way back is a new index, and drops what was written in it."""
