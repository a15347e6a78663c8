"""How the driver is imported."""

from __future__ import annotations

import subprocess
import sys


def test_the_driver_is_imported_without_numpy_which_can_be_imported_all_the_same() -> None:
    code = """
import sys
from seedbed.engines.neo4j.address import Address
from seedbed.engines.neo4j.wire.client import BoltClient
BoltClient(Address("bolt://127.0.0.1:9", "neo4j")).close()
assert "neo4j" in sys.modules
print(*[each for each in ("numpy", "pandas", "pyarrow") if each in sys.modules])
import numpy
assert numpy.arange(3).sum() == 3
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
