"""`seedbed release build`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context, signals
from seedbed.errors import Location, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seedbed.releases.bundle import Index

_IMAGE = re.compile(r"(?P<name>[\w.-]+)=(?:[^@=]+@)?(?P<digest>sha256:[0-9a-f]{64})", re.ASCII)
OUTPUT = "GITHUB_OUTPUT"  # the file in which a step of GitHub Actions leaves what later ones read


@click.command("build", short_help="Pack what a release is made of into one file.")
@click.option("-o", "--out", type=click.Path(dir_okay=False), metavar="FILE", required=True, help="Where to.")
@click.option(
    "--image",
    "images",
    multiple=True,
    metavar="NAME=REF",
    help="An image that runs the new code, by its digest: api=registry/api@sha256:… (may be repeated).",
)
@click.option(
    "--assembly",
    "assemblies",
    multiple=True,
    metavar="ENV=DIR",
    help="A cloud assembly that was synthesised before, for that environment (may be repeated).",
)
@options.as_json
@command_context(CommandKind.LOCAL)
def command(context: CommandContext, out: str, images: tuple[str, ...], assemblies: tuple[str, ...]) -> None:
    """Pack what a release is made of into one file, and print the file's SHA-256.

    In it are the platform's files, the files that [release.code] names, the digests of images, and what the CDK app
    makes for each environment that stays. The same inputs make the same bytes on every machine: build it once, and open
    a release of it in one environment after the other.

    \b
    seedbed release build -o release.tar
    seedbed release build -o release.tar --image api=registry.example/api@sha256:…
    seedbed release build -o release.tar --assembly prod=cdk.out
    """
    from seedbed.cli.travel.parcel import arrive
    from seedbed.documents.bundle import BundleDocument
    from seedbed.execution.stopping import Stop
    from seedbed.project.bundling import BundleRequest, Bundling
    from seedbed.releases import bundle
    from seedbed.report.text.bundle import bundle_text

    request = BundleRequest(_images(images), _assemblies(assemblies))
    stop = Stop()
    with signals(stop):
        building = Bundling(context.catalog, context.project.targets, stop, context.out.log)
        data = building.build(request)
    built = bundle.read(data)
    arrive(Path(out), data, over=True, private=False)
    _leave(built.sha256)
    document = BundleDocument.of(
        context.command,
        out,
        built.sha256,
        len(data),
        commit=built.index.commit,
        platform_digest=built.index.platform_digest,
        images=built.index.images,
        assemblies=built.index.assemblies,
    )
    context.show(document, bundle_text)
    for each in _said(built.index, out, len(data)):
        context.out.log(each)


def _images(words: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in words:
        match = _IMAGE.fullmatch(each)
        if match is None or match["name"] in found:
            raise UsageError(
                f"{each!r} names no image by its digest"
                if match is None
                else f"{match['name']} has two images",
                because="a tag may mean another image tomorrow, and a release is what was approved",
                try_="--image api=registry.example/api@sha256:…",
            )
        found[match["name"]] = match["digest"]
    return found


def _assemblies(words: Sequence[str]) -> Mapping[str, Path]:
    found: dict[str, Path] = {}
    for each in words:
        name, equals, directory = each.partition("=")
        if not equals or not name or name in found or not Path(directory).is_dir():
            raise UsageError(
                f"{each!r} is no environment with the directory of its assembly",
                because=f"{name} has two" if name in found else "what stands behind the = is no directory",
                try_="--assembly prod=cdk.out",
            )
        found[name] = Path(directory).absolute()
    return found


def _leave(digest: str) -> None:
    """Leave the digest for later steps of a workflow, where there is one."""
    place = os.environ.get(OUTPUT)
    if not place:
        return
    try:
        with open(place, "a", encoding="utf-8") as outputs:
            outputs.write(f"digest={digest}\n")
    except OSError as error:
        raise UsageError(
            f"{place} cannot be written",
            because=f"{OUTPUT} names it: {error.strerror}",
            try_=f"take {OUTPUT} away, or let it name a file",
            at=Location(place),
        ) from None


def _said(index: Index, out: str, size: int) -> list[str]:
    from seedbed.support.phrases import count, listed

    stacks = f"stacks of {listed(sorted(index.assemblies))}" if index.assemblies else "no stacks"
    files = count(len(index.members), "file")
    found = [f"wrote {out}: {files}, {size / 1e6:.1f} MB, {stacks}"]
    if not index.commit:
        found.append("it has no commit: the platform is in no checkout of git, or nothing is committed there")
    elif index.is_dirty:
        found.append("files differ from the commit: a protected environment takes no release of it")
    return found
