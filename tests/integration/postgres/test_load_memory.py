"""A load holds a batch of a file and not the file: measured in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg

ROWS = 100_000
PAD = "x" * 170  # a row is of some 200 bytes
MOST = 16  # MB that a file of 20 MB may add; held whole, its rows take some 150
PROGRAM = """
import resource, sys
from functools import partial
from pathlib import Path
import psycopg
from seedbed.engines.postgres.seeds.load import load
from seedbed.model.seed import Dataset, SeedFile, SeedKind
from seedbed.seeding.dataset import dataset

url, path = sys.argv[1:]

def read():
    with open(path, "rb") as file:
        while piece := file.read(1 << 18):
            yield piece

files = [SeedFile("seeds/1_t.csv", ".csv", Path(path).stat().st_size, read)]
with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
    (done,) = load(connection, dataset(SeedKind.VOLUME, files, platform="shop", scripts=()))
print(done.inserted, done.updated, done.unchanged, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def load(url: str, path: Path) -> tuple[int, int, int, int]:
    """Load a file; return rows inserted, updated and unchanged, and the memory that it took, in MB."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, url, str(path)], check=True, capture_output=True, text=True
    )
    inserted, updated, unchanged, memory = map(int, done.stdout.split())
    return inserted, updated, unchanged, memory


def test_memory_does_not_grow_with_the_file(postgres_database: str, tmp_path: Path) -> None:
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (id int PRIMARY KEY, name text, note text)")
    small, large = tmp_path / "small.csv", tmp_path / "large.csv"
    for path, count in ((small, 10), (large, ROWS)):
        lines = (f"{number},user {number},{PAD}\n" for number in range(count))
        path.write_text("id,name,note\n" + "".join(lines))
    *counts, base = load(postgres_database, small)
    assert counts == [10, 0, 0]
    for expected in ([ROWS - 10, 0, 10], [0, 0, ROWS]):
        *counts, memory = load(postgres_database, large)
        assert counts == expected
        assert memory - base < MOST
