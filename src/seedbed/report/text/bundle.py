"""The bundle of a release, as a page."""

from __future__ import annotations

from seedbed.documents.bundle import BundleDocument
from seedbed.report.styles import Lines, line


def bundle_text(document: BundleDocument) -> Lines:
    """Return the digest, alone in its line: what is in the bundle is told while it is built."""
    return [line(document.digest)]
