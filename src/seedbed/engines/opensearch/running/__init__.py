"""Run migrations: steps, requests, reindexing."""
