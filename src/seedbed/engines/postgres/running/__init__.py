"""Migrations carried out: in one transaction, statement by statement, or batch by batch."""
