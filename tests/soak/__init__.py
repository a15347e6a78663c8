"""Scripts that run for long: races, kills and backfills by the hundred. `make soak` starts them, pytest never does."""
