# Story 8. The model "mini" (48 numbers) gives way to "base" (64). A vector field keeps its dimension, so the new
# one is another field; from here on, whoever writes a lesson may write both.
# seedbed: index=lessons version=2 phase=expand
"""lessons.embedding_base, empty for now."""
