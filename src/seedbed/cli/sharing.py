"""What `env up` and `env down` have done on the servers of a base: by its task, which alone may."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from seedbed.errors import SeedbedError, UsageError

if TYPE_CHECKING:
    from seedbed.cli.context import CommandContext
    from seedbed.documents.sharing import ShareEntry, SharesDocument
    from seedbed.execution.stopping import Stop
    from seedbed.model.coming_up import Filled
    from seedbed.model.environment import Environment
    from seedbed.model.event import Event
    from seedbed.model.outcome import Outcome, TargetOutcome


def on_base(context: CommandContext, environment: Environment, databases: Sequence[str]) -> list[str]:
    """Return those of `databases` that lie on a server of the base of `environment`."""
    from seedbed.engines.sharing import SupportsSharing

    found = [context.catalog.database(each) for each in databases]
    return [
        each.id
        for each in found
        if environment.lies_in_base(each.service, each.engine)
        and isinstance(context.catalog.engine(each.engine), SupportsSharing)
    ]


def make(context: CommandContext, environment: Environment, databases: Sequence[str], stop: Stop) -> Filled:
    """Return how it ended that what `databases` lack was made; nothing is asked of AWS where there are none."""
    from msgspec.structs import replace

    from seedbed.model.coming_up import Filled

    if not databases:
        return Filled()
    parts = [_part(context, each) for each in databases]
    filled, document = _carried(context, environment, "share make", parts, stop)
    if document is None:
        return filled
    for each in document.shares:
        if each.what:
            context.out.log(f"{each.database}  {each.what}")
    return replace(filled, changed=document.changed)


def keep(context: CommandContext, environment: Environment, databases: Outcome, stop: Stop) -> None:
    """Have those of `databases` kept as templates that hold what their files say, and nothing else yet.

    So the next environment with the same files begins with a copy. That it is not kept is no failure.
    """
    whole = [
        each.target
        for each in databases.targets
        if is_new(
            each, [file.version for file in context.catalog.files(context.catalog.database(each.target))]
        )
    ]
    ours = [each for each in on_base(context, environment, whole) if _is_anybodys(context, each)]
    if parts := [_part(context, each) for each in ours]:
        filled, _ = _carried(context, environment, "share keep", parts, stop)
        for each in filled.errors:
            context.out.log(f"{each.target or 'nothing'} was not kept as a template: {each.what}", level=1)


def is_new(target: TargetOutcome, versions: Sequence[str]) -> bool:
    """Return whether a run has just made all of a database whose files have `versions`.

    Of one without migrations that is not known: an application may have made it, and written into it.
    """
    from seedbed.model.outcome import Result

    return target.result is Result.CHANGED and bool(versions) and {*target.finished} == {*versions}


def _is_anybodys(context: CommandContext, database: str) -> bool:
    """Return whether the files of `database` make the same in every environment, as far as is known; else say why."""
    from pathlib import Path

    from seedbed.project.surroundings import learned_by

    if found := learned_by(Path(context.catalog.database(database).directory)):
        path, name = found
        context.out.log(
            f"{database} was not kept as a template: {path.name} may learn by {name} where it runs", level=1
        )
    return not found


def _part(context: CommandContext, database: str) -> str:
    """Return a database with the name of the template that has what its files make: the digest of all of them."""
    from pathlib import Path

    from seedbed.documents.document import VERSION
    from seedbed.files.platform import platform_digest

    platform = context.project.platform
    found = context.catalog.database(database)
    digest = platform_digest(Path(platform.root), [Path(found.directory)])
    whole = sha256(f"{VERSION} {database} {digest}".encode()).hexdigest()
    return f"{database}@{whole[:16]}"


def drop(
    context: CommandContext, environment: Environment, stop: Stop
) -> tuple[tuple[ShareEntry, ...], tuple[SeedbedError, ...]]:
    """Have all dropped that `environment` has on the servers of its base, say and return what that was, and errors."""
    if not environment.base or not _has_records(context, environment):
        return (), ()
    filled, document = _carried(context, environment, "share drop", (), stop)
    shares = document.shares if document else ()
    for each in shares:
        if not each.error:
            context.out.log(f"{each.database}  {each.what or 'nothing was there'}")
    if document and document.changed:
        context.mark_changed()
    return shares, filled.errors


def forget(context: CommandContext, environment: Environment) -> None:
    """Remove what the base keeps of an environment of which nothing is left; its own records went with its stacks.

    Raises what `seedbed.aws` raises.
    """
    from seedbed.project import lifetimes

    if environment.base and _has_records(context, environment):
        lifetimes.forget(context.project.targets, environment)


def _has_records(context: CommandContext, environment: Environment) -> bool:
    """Return whether the base of `environment` is deployed: else there is no server that has anything."""
    from seedbed.remote.place import control_of

    try:
        cloud = context.project.targets.cloud(environment)
        control_of(cloud, context.project.platform.name, environment)
    except UsageError:
        return False
    return True


def _carried(
    context: CommandContext, environment: Environment, command: str, databases: Sequence[str], stop: Stop
) -> tuple[Filled, SharesDocument | None]:
    """Return how a command ended, with the errors of single databases, and its document where it has one."""
    from msgspec.structs import replace

    from seedbed.cli.travel.apart import carried, raised
    from seedbed.documents.sharing import SharesDocument
    from seedbed.support.typed import ready

    values = {"env": environment.base, "name": environment.name, "databases": tuple(databases)}
    filled, data = carried(context, command, values, listener=_ignore, stop=stop.request)
    try:
        document = msgspec.json.decode(data, type=ready(SharesDocument))
    except msgspec.DecodeError:
        return filled, None
    errors = []
    for each in document.shares:
        if each.error is not None:
            error = raised(each.error)
            error.target = each.database
            errors.append(error)
    return replace(filled, errors=tuple(errors)), document


def _ignore(_: Event) -> None:
    """There are none: what was done is in the document."""
