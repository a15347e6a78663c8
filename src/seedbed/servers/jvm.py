"""How a server's JVM is started: small, and from a class path in one order."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

# Where memory is virtual twice over, as on most hosted machines, small pages cost a tenth of the time and more.
_HUGE_PAGES = ("-XX:+UseTransparentHugePages",) if sys.platform == "linux" else ()
SMALL = (
    *_HUGE_PAGES,
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
    "-Dfile.encoding=UTF-8",
    "--enable-native-access=ALL-UNNAMED",
)


def heap(*, least: int, most: int) -> Sequence[str]:
    """Return the options for a heap of `least` to `most` megabytes."""
    return f"-Xms{least}m", f"-Xmx{most}m"


def class_path(folders: Iterable[Path]) -> str:
    """Return the class path of all jars in `folders`, by name: `*` would take them in the order of the disk."""
    return os.pathsep.join(str(jar) for folder in folders for jar in sorted(folder.glob("*.jar")))


def write_arguments(path: Path, arguments: Sequence[str]) -> None:
    """Write `arguments` into a file for `java @FILE`: a class path of hundreds of jars is too long for a listing."""
    quoted = ('"' + each.replace("\\", "\\\\").replace('"', '\\"') + '"' for each in arguments)
    path.write_text("\n".join(quoted) + "\n", encoding="utf-8")
