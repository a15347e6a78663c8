"""The driver, imported without what it can do for users of numpy and pandas."""

from __future__ import annotations

import sys
from types import ModuleType

_OPTIONAL = ("numpy", "pandas", "pyarrow")


def import_driver() -> ModuleType:
    """Return the driver's module.

    It imports whatever of numpy, pandas and pyarrow is installed, which takes longer than all else that a command
    does, and seedbed hands it nothing of theirs. An application that works with them has imported them before.
    """
    hidden = [] if "neo4j" in sys.modules else [each for each in _OPTIONAL if each not in sys.modules]
    try:
        # None stands for a module that is not there, for as long as it stands.
        sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None is what the import looks for
        import neo4j
    finally:
        for each in hidden:
            del sys.modules[each]
    return neo4j
