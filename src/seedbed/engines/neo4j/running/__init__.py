"""Migrations as they run: steps, backfills, what EXPLAIN shows beforehand, and reset."""
