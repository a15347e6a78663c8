"""The public API: what a project has, and everything that can be done with it.

::

    from seedbed.project import Project

    project = Project.open()
    with project.run("sandbox") as run:
        outcome = run.apply()

Nothing here prints, prompts or exits: events go to a listener, results are values, errors are raised.
"""

from __future__ import annotations

from seedbed.execution.maintenance import Decision
from seedbed.project.catalog import Catalog
from seedbed.project.project import Project
from seedbed.project.request import Request
from seedbed.project.run import DEFAULT_WAIT, Run
from seedbed.project.sandbox import Sandbox

__all__ = ["DEFAULT_WAIT", "Catalog", "Decision", "Project", "Request", "Run", "Sandbox"]
