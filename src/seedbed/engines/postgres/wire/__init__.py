"""Connections, and messages sent over them."""
