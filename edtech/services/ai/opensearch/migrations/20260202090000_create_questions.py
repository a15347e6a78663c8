# seedbed: index=questions version=1
"""questions that people asked the assistants."""
