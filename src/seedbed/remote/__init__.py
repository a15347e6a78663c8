"""Runs inside the network of an environment: each is a record in the environment's table; a task carries it out.

A client writes what it asks for, a worker claims that, writes what happens as it happens, and how it ended. Neither
speaks to the other but through the record, so that each may lose its connection, or die, without the other.
"""
