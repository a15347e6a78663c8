"""Migrations as requests: the language of `.http` files, and how each request is carried out once."""
