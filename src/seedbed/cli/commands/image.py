"""`seedbed image`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context, signals

if TYPE_CHECKING:
    from seedbed.project.image import ImageRequest


@click.command("image")
@click.option("--base", metavar="IMAGE", help="The base, a Python by its digest: python:3.13-slim@sha256:…")
@click.option(
    "--ca-bundle",
    metavar="FILE",
    help="AWS's certificates, which you have looked at: a file, or its checksum sha256:…",
)
@click.option(
    "--files",
    type=click.Choice(["image", "upload"]),
    help="Put the platform's files into the image, or none: a run uploads them (default: image).",
)
@click.option(
    "--architecture",
    type=click.Choice(["x86_64", "arm64"]),
    help="The processor that it is for (default: x86_64).",
)
@click.option("--python", metavar="VERSION", help="The base's Python (default: 3.13).")
@click.option("--wheel", metavar="FILE", help="Install seedbed from this wheel, not from the package index.")
@click.option(
    "--requirements", metavar="FILE", help="Requirements with hashes, in place of those that pip finds."
)
@click.option(
    "--check", is_flag=True, help="Write nothing; exit with 6 if the files are not as they would be."
)
@click.option("--build", is_flag=True, help="Build the image with docker or podman; needs --name.")
@click.option(
    "--push", is_flag=True, help="Build it, push it, and print its name by its digest; needs --name."
)
@click.option("--name", metavar="NAME", help="What the image is called where it is pushed: HOST/NAME:TAG.")
@options.as_json
@command_context(CommandKind.LOCAL)
def command(
    context: CommandContext,
    requirements: str | None,
    check: bool,
    build: bool,
    push: bool,
    name: str | None,
    **said: str | None,
) -> None:
    """Write the Dockerfile of the migration task, with everything pinned; build it.

    What is not said is as the Dockerfile that is there says; a base and a CA bundle have to be said once.

    \b
    seedbed image --base python:3.13-slim@sha256:… --ca-bundle global-bundle.pem
    seedbed image --check
    seedbed image --push --name registry.example/seedbed:1.4.0
    """
    from seedbed.documents.image import ImageDocument
    from seedbed.errors import ExitCode, UsageError
    from seedbed.project import image
    from seedbed.report.text.image import image_text

    platform = context.project.platform
    root = Path(platform.root)
    if (build or push) and not name:
        raise UsageError("the image has no name", try_="--name HOST/NAME:TAG")
    before = image.asked_before(root)
    if check and before is None and not any(said.values()):
        raise image.nothing_asked()
    request = _request(context, before, said)
    image.require_possible(request, root)
    texts = image.files(request, platform)
    about = (request.base, request.architecture, request.files, context.command)
    if check:
        wrong = image.unhashed(request, root)
        found = [*image.differences(texts, root), *([wrong] if wrong else [])]
        context.show(ImageDocument.of(*about, checked=True, differences=found), image_text)
        context.leave(ExitCode.FOUND if found else ExitCode.DONE)
    written = image.write({**texts, **_requirements(request, root, requirements)}, root)
    for each in written:
        context.out.log(f"wrote {each}")
    built, pushed = (str(name), "") if build or push else ("", "")
    if built:
        pushed = _build(context, request, root, built, push=push)
    context.show(ImageDocument.of(*about, written=written, built=built, pushed=pushed), image_text)
    if pushed:
        context.out.log(f'write it into the manifest: [environments.NAME.task] image = "{pushed}"')


def _request(context: CommandContext, before: ImageRequest | None, said: dict[str, Any]) -> ImageRequest:
    """Return what is wanted: what was said, then what was said before; the base is asked for where neither was."""
    from msgspec.structs import replace

    from seedbed.project.image import ImageRequest, checksum

    told = {key: value for key, value in said.items() if value}
    bundle = told.get("ca_bundle", "")
    if bundle and not bundle.startswith("sha256:"):
        told["ca_bundle"] = checksum(Path(bundle))
    request: ImageRequest = replace(before or ImageRequest(), **told)
    if not request.base and context.can_ask and not context.as_json:
        base = context.prompt(f"The base, as python:{request.python}-slim@sha256:…")
        request = replace(request, base=base)
    return request


def _requirements(request: ImageRequest, root: Path, given: str | None) -> dict[str, str]:
    """Return the requirements to be written; none where those that are there are right. Raises UsageError."""
    from seedbed.errors import UsageError
    from seedbed.project import image
    from seedbed.project.requirements import requirements

    if given:
        try:
            text = Path(given).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{given} cannot be read", because=str(error)) from error
        if wrong := image.without_hash(text):
            raise UsageError(f"{given} has no hash for {wrong}", try_="uv pip compile --generate-hashes")
        return {image.REQUIREMENTS: text}
    return {image.REQUIREMENTS: requirements(request, root)} if image.unhashed(request, root) else {}


def _build(context: CommandContext, request: ImageRequest, root: Path, name: str, *, push: bool) -> str:
    """Build the image, and push it where that is asked for; return it by its digest, "" where it was not pushed."""
    from seedbed.deployment.containers import Builder, program
    from seedbed.execution.stopping import Stop
    from seedbed.project import image

    stop = Stop()
    with signals(stop):
        builder = Builder(program(os.environ), root, dict(os.environ), context.out.log, stop)
        builder.build(image.DOCKERFILE, name, image.PLATFORMS[request.architecture])
        if not push:
            context.out.log(f"built {name}; its digest is known when it is pushed: --push")
            return ""
        return builder.push(name)
