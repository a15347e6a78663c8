"""The image of the migration task, as a page."""

from __future__ import annotations

from seedbed.documents.image import ImageDocument
from seedbed.report.styles import Lines, line


def image_text(document: ImageDocument) -> Lines:
    """Return the image by its digest where one was pushed, alone in its line; of a comparison, what it found.

    What is written and built is told while that happens.
    """
    if document.checked:
        return [line(each) for each in document.differences or ("the files are what would be written",)]
    return [line(document.pushed)] if document.pushed else []
