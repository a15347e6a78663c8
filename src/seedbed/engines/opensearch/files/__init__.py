"""Migrations as files: requests in `.http`, index versions in `.py`. Pure."""
