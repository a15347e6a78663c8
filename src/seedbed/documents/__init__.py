"""What `--json` writes and what a plan file holds: one type for each document, made from the model. Pure."""
