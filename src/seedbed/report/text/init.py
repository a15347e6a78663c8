"""A platform that was started, as a page."""

from __future__ import annotations

from seedbed.documents.init import InitDocument
from seedbed.report.styles import Lines, Style, line
from seedbed.support.phrases import count


def init_text(document: InitDocument) -> Lines:
    """Return what was written and what was left alone, one line each, then the commands that come next."""
    page: Lines = [line(("+ ", Style.GOOD), each) for each in document.written]
    page += [line(("= ", Style.DIM), f"{each.path} was left alone: {each.because}") for each in document.kept]
    page += [line(), line((f"{count(len(document.written), 'file')} in {document.directory}", Style.BOLD))]
    page += [line(), line("next:"), *(line(each, indent=2) for each in document.next)]
    return page
