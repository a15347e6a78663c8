"""Indexes as a service declares them, and how one definition becomes the next."""
