"""The reference engine: tables in the memory of a server process of their own. Importing this starts nothing.

It exists to try seedbed, to test it and to show what an engine is: it keeps every promise of `engines.base`
in a few hundred lines, over a server that outlives its clients, so that a client can be killed anywhere.
"""

from __future__ import annotations

from seedbed.engines.memory.engine import MemoryEngine

engine = MemoryEngine()

__all__ = ["MemoryEngine", "engine"]
