"""`seedbed demo` that verifies every reference in its databases, as it has them, and once more with orphans in them.

Run as a module: what it found goes to the file that it is called with, as JSON.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec.structs import replace

from seedbed.cli.commands.demo import Tour
from seedbed.cli.main import run
from seedbed.documents.verification import VerificationDocument
from seedbed.model.outcome import Outcome
from tests.support.contradictions import contradict
from tests.support.orphans import orphan, plant


class Found(msgspec.Struct):
    """`seeded`, `planted`: what was found without orphans and with one in each reference. By the field that refers:
    `orphans`, the ids, and `keys`, of the rows that they are in. `contradicted`: with something that contradicts each
    expectation.
    """

    seeded: VerificationDocument
    planted: VerificationDocument
    contradicted: VerificationDocument
    orphans: Mapping[str, str]
    keys: Mapping[str, str]


def main(file: Path) -> int:
    """Return the exit code of the demo."""
    original, counted = Tour.count, 0

    def count(tour: Tour) -> Outcome:
        nonlocal counted
        outcome, counted = original(tour), counted + 1
        if counted == LAST:
            file.write_bytes(msgspec.json.encode(_verified(tour)))
        return outcome

    Tour.count = count  # type: ignore[assignment,method-assign]  # whose parameter is `self`
    return run(["demo"])


LAST = 2  # the demo counts its rows after the seeds, and at its end


def _verified(tour: Tour) -> Found:
    references = [replace(each, grace=0.0) for each in tour.context.catalog.references()]
    expectations = tour.context.catalog.expectations()
    seeded = tour.run.verify(references, expectations)
    contradict(tour.run)
    contradicted = tour.run.verify((), expectations)
    keys = plant(tour.run, references)
    planted = tour.run.verify(references)
    return Found(
        VerificationDocument.of(seeded, "verify"),
        VerificationDocument.of(planted, "verify"),
        VerificationDocument.of(contradicted, "verify"),
        {str(each.from_): orphan(each) for each in references},
        keys,
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
