"""Carrying out migrations: step by step, request by request, index by index."""
